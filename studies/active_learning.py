"""Would choosing save labels? All acquisitions on frozen features, and the main contrast tuned.

    .venv/bin/python studies/active_learning.py --data ../shared/data --out runs/active

Four simulations of `medgraft active simulate`, five seeds each: two archives, each with a frozen
trunk (a regression on its features, so that all acquisitions can be played) and with the network
tuned in every round. A round that is finished is not repeated, so the study can be stopped and
started again. `--only histo-idc-cheap` plays one; `--write` only writes the page from what is there.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from results_page import circumstances, run_study

from medgraft.cli.__main__ import main as medgraft
from medgraft.report.words import percent, signed
from medgraft.runs import RunFolder

TRUNK = "--backbone resnet18 --after layer3 --weights {weights} --threads 1"
CHOOSERS = (
    "aift,entropy,margin,least_confident,mutual_information,variation_ratio,core_set,badge,"
    "typiclust,clasp_pe"
)
CHEAP = f"{TRUNK} --size 64 --tune linear:c=0.001 --strategy AFT --acquisition {CHOOSERS} --views 8"
TUNED = (
    f"{TRUNK} --size 32 --precision bfloat16 --memory-format channels_last --tune full --epochs 5"
    ' --strategy "RFT,AFT,ACFT(LQ),ACFT(HQ)" --acquisition aift,entropy,core_set --views 6'
)
OTHERWISE = (
    f"{TRUNK} --size 32 --precision bfloat16 --memory-format channels_last --tune full --epochs 5"
    ' --strategy "RFT,ACFT(LQ)" --acquisition aift,entropy,core_set --views 6 --start 10 --batch 15'
    " --rounds 6 --among 300 --least-steps 60"
)
PRETRAIN = (
    "--task models_genesis --backbone resnet18 --after layer3 --size 32 --precision bfloat16"
    " --memory-format channels_last --threads 1 --epochs {epochs}"
)
EPOCHS = {"cxr-kermany": 40, "histo-idc": 100}  # five minutes of one core each
IMAGENET = "resnet18_to_layer3_imagenet.safetensors"
SPLITS = {"cxr-kermany": "--test 0.2 --val 0.05", "histo-idc": "--test 0.3 --val 0.1"}
PATIENT = {"cxr-kermany": "group", "histo-idc": "patient"}


@dataclass(frozen=True)
class Experiment:
    """An archive, and what is simulated on it."""

    archive: str
    name: str
    flags: str
    start: Literal["imagenet", "none", "pretrained"] = "imagenet"

    @property
    def folder(self) -> str:
        """Name of its folder."""
        return f"{self.archive}-{self.name}"

    def commands(self, data: Path, out: Path) -> list[list[str]]:
        """What plays it once there is an index: a pretraining where it starts from one, then itself."""
        index, pretrained = out / f"{self.archive}.parquet", out / f"{self.archive}-pretraining"
        first = []
        if self.start == "pretrained" and not RunFolder(pretrained).weights.is_file():
            flags = PRETRAIN.format(epochs=EPOCHS[self.archive]).split()
            resume = ["--resume"] if pretrained.is_dir() else []
            first = [["pretrain", str(index), *flags, "--out", str(pretrained), *resume]]
        weights = {"imagenet": str(data / IMAGENET), "none": "none", "pretrained": str(pretrained)}
        flags = shlex.split(self.flags.format(weights=weights[self.start]))
        place = str(out / self.folder)
        return [*first, ["active", "simulate", str(index), *flags, "--seeds", "5", "--out", place]]


EXPERIMENTS = (
    Experiment("cxr-kermany", "cheap", f"{CHEAP} --start 10 --batch 10 --rounds 39"),
    Experiment("histo-idc", "cheap", f"{CHEAP} --start 10 --batch 10 --rounds 39"),
    Experiment(
        "cxr-kermany",
        "tuned",
        f"{TUNED} --start 20 --batch 20 --rounds 5 --among 300 --least-steps 40",
    ),
    Experiment(
        "histo-idc",
        "tuned",
        f"{TUNED} --start 20 --batch 20 --rounds 5 --among 300 --least-steps 40",
    ),
    Experiment("cxr-kermany", "random-weights", OTHERWISE, "none"),
    Experiment("histo-idc", "random-weights", OTHERWISE, "none"),
    Experiment("cxr-kermany", "self-supervised", OTHERWISE, "pretrained"),
    Experiment("histo-idc", "self-supervised", OTHERWISE, "pretrained"),
)


def make_index(archive: str, data: Path, index: Path) -> list[list[str]]:
    """The commands that index an archive and split it."""
    return [
        ["index", str(data / archive), "--layout", "csv", "--table", "labels.csv", "--path", "file",
         "--label", "label", "--patient", PATIENT[archive], "--out", str(index)],
        ["split", str(index), *SPLITS[archive].split(), "--seed", "0"],
    ]  # fmt: skip


def play(experiment: Experiment, data: Path, out: Path) -> None:
    """Make what is missing of one simulation."""
    index = out / f"{experiment.archive}.parquet"
    if not index.is_file():
        for command in make_index(experiment.archive, data, index):
            call(command)
    for command in experiment.commands(data / "weights", out):
        call(command)


def call(arguments: list[str]) -> None:
    """One command; the study ends where it fails."""
    if status := medgraft(arguments):
        raise SystemExit(status)


# --- the page ------------------------------------------------------------------------------


def section(experiment: Experiment, folder: Path) -> str:
    """Answer, commands, and a line per arm."""
    found = json.loads((folder / "results.json").read_text())
    index = Path(f"{experiment.archive}.parquet")
    commands = [
        *make_index(experiment.archive, Path(), index),
        *experiment.commands(Path(), Path()),
    ]  # fmt: skip
    record = json.loads((folder / "simulation.json").read_text())
    full, labels = found["full"], found["labels"]
    shown = [labels[len(labels) // 5], labels[len(labels) // 2], labels[-1]]
    what = f"{found['n_patients']:,} patients" if found["n_patients"] else "patients not known"
    return "\n".join(
        [
            f"### {experiment.archive}, {experiment.name}",
            "",
            found["answer"],
            "",
            "```",
            *(shlex.join(["medgraft", *command]) for command in commands),
            "```",
            "",
            "| arm | "
            + " | ".join(f"AUROC at {n}" for n in shown)
            + " | ALC minus random | labels for 95 % | saved | for 99 % | saved | a round |",
            "|" + " --- |" * (len(shown) + 7),
            *(line(arm, shown) for arm in found["arms"]),
            "",
            f"All labels: AUROC {full['value']:.3f} ({full['low']:.3f}–{full['high']:.3f})."
            f" {found['n_images']:,} test images ({what}); intervals draw {found['unit']}s and seeds."
            f" {circumstances(record)}",
            "",
        ]
    )


def line(arm: dict[str, Any], shown: list[int]) -> str:
    """Scores at a few numbers of labels, area, labels needed and saved."""
    points = {point["labels"]: point for point in arm["curve"]}
    cells = [f"`{arm['arm']}`"]
    for number in shown:
        one = points[number]
        cells.append(f"{one['value']:.3f} ({one['low']:.3f}–{one['high']:.3f})")
    difference = arm["alc"]["linear"]["difference"]
    if arm["arm"] == arm["reference"] or difference is None:
        cells.append("–")
    else:
        bold = "**" if difference["low"] > 0 or difference["high"] < 0 else ""
        cells.append(
            f"{bold}{signed(difference['value'])}{bold}"
            f" ({signed(difference['low'])} to {signed(difference['high'])})"
        )
    needed = {one["goal"]: one for one in arm["needed"]}
    for goal in (0.95, 0.99):
        value = needed[goal]["value"]
        cells.append(f"> {max(points)}" if value is None else f"{value:.0f}")
        itself = arm["arm"] == arm["reference"]
        cells.append("–" if itself else saving(needed[goal]["saving"]))
    cells.append(f"{arm['seconds']['whole']:.1f} s")
    return f"| {' | '.join(cells)} |"


def saving(found: dict[str, Any] | None) -> str:
    """Share of labels saved, with its interval."""
    if found is None or found["value"] is None:
        return "–"
    bound = f"{found['bound']} " if found["bound"] else ""
    ends = "" if found["low"] is None else f" ({percent(found['low'])} to {percent(found['high'])})"
    return f"{bound}{percent(found['value'])}{ends}"


if __name__ == "__main__":
    run_study(__doc__, EXPERIMENTS, run=play, section=section, result="results.json", mark="active")
