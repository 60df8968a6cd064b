"""What a pretraining is worth: four tasks against random weights, in 2-D and 3-D, five seeds.

    .venv/bin/python studies/pretraining.py --data ../shared/data --out runs/pretraining

Sized for two cores: small images, a few passes, each task learnt once; about two and a half hours
one after another with one thread each. `--only cxr-kermany` runs one experiment, so that two can run at
once. A finished run is not repeated; rewrites its part of docs/results.md from what is finished.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from results_page import circumstances, run_study

from medgraft.cli.__main__ import main as medgraft
from medgraft.report.words import label, percent, signed

TASKS = "none,autoencoder,inpainting,models_genesis,semantic_genesis"
FLAT = (
    "--backbone resnet18 --size 64 --precision bfloat16 --memory-format channels_last --threads 1"
)


@dataclass(frozen=True)
class Experiment:
    """Images, how they are split, and what is asked of them."""

    archive: str
    index: str
    split: str
    study: str
    name: str = ""

    @property
    def folder(self) -> str:
        """Name of its folder."""
        return f"{self.archive}-{self.name}" if self.name else self.archive


FILMS = Experiment(
    "cxr-kermany",
    "--layout csv --table labels.csv --path file --label label --patient group",
    "--test 0.2 --val 0.05 --seed 0",
    f"{FLAT} --channels 1 --epochs 12 --batch-size 16 --least-steps 150 --tasks {TASKS}"
    " --labels 2,5,10,100 --pretraining epochs=3,batch_size=32"
    " --discovery patterns=24,neighbours=60,size=96,crop=64,backbone=resnet18,side=64,epochs=3,batch_size=32",
)
EXPERIMENTS = (
    FILMS,
    replace(
        FILMS,
        study=FILMS.study.replace("--least-steps 150", "--least-steps 1").replace(
            "2,5,10,100", "10,25,50,100"
        ),
        name="short",
    ),
    Experiment(
        "histo-idc",
        "--layout csv --table labels.csv --path file --label label --patient patient",
        "--test 0.3 --val 0.1 --seed 0",
        f"{FLAT} --channels 3 --epochs 12 --batch-size 16 --least-steps 1 --tasks {TASKS}"
        " --labels 10,25,50,100 --pretraining epochs=4,batch_size=32"
        " --discovery patterns=24,neighbours=30,size=96,crop=64,backbone=resnet18,side=64,epochs=6,batch_size=32",
    ),
    Experiment(
        "seg-wbc",
        "--layout csv --table labels.csv --path file --mask mask"
        " --mask-classes background=0,cytoplasm=128,nucleus=255",
        "--test 0.3 --val 0.1 --seed 0",
        f"{FLAT} --task segmentation --channels 3 --epochs 20 --batch-size 5 --least-steps 150"
        f" --tasks {TASKS}@epochs=12 --labels 5 --pretraining epochs=40,batch_size=32"
        " --discovery patterns=10,neighbours=20,size=96,crop=64,backbone=resnet18,side=64,epochs=30,batch_size=32",
    ),
    Experiment(
        "vol-hippocampus",
        "--layout image_mask --mask-classes background=0,anterior=1,posterior=2",
        "--test 0.3 --val 0.1 --seed 0",
        "--task segmentation --backbone unet3d_narrow --size 40 --memory-format contiguous --threads 1"
        " --epochs 30 --batch-size 2 --rate 2e-3 --least-steps 100"
        " --tasks none,models_genesis,semantic_genesis@epochs=7 --labels 3"
        " --pretraining epochs=70,batch_size=8"
        " --discovery patterns=12,neighbours=20,size=56,crop=40,backbone=unet3d_narrow,side=32,epochs=20,batch_size=8",
    ),
)


def run(experiment: Experiment, data: Path, out: Path) -> None:
    """Make what is missing of one experiment."""
    index = out / f"{experiment.archive}.parquet"
    if not index.is_file():
        folder = str(data / experiment.archive)
        call(["index", folder, *experiment.index.split(), "--out", str(index)])
        call(["split", str(index), *experiment.split.split()])
    flags = [*experiment.study.split(), "--seeds", "5", "--pretrainings", "1"]
    call(["pretrain-study", str(index), *flags, "--out", str(out / experiment.folder)])


def call(arguments: list[str]) -> None:
    """One command; the study ends where it fails."""
    if status := medgraft(arguments):
        raise SystemExit(status)


def section(experiment: Experiment, folder: Path) -> str:
    """Scores, differences and labels saved of one experiment."""
    found = json.loads((folder / "pretrain-study.json").read_text())
    first = next(folder.glob("runs/none-*/run.json"))
    labels = found["labels"]
    what = "patients" if found["n_patients"] else "images"
    number = found["n_patients"] or found["n_images"]
    return "\n".join(
        [
            f"### {experiment.folder}: {label(found['score'])}",
            "",
            found["answer"],
            "",
            "```",
            f"medgraft index {experiment.archive} {experiment.index} --out {experiment.archive}.parquet",
            f"medgraft split {experiment.archive}.parquet {experiment.split}",
            f"medgraft pretrain-study {experiment.archive}.parquet {experiment.study} --seeds 5 --pretrainings 1"
            f" --out {experiment.folder}",
            "```",
            "",
            f"| begins with | {' | '.join(f'{n} labels' for n in labels)} | pretraining |",
            "|" + " --- |" * (len(labels) + 2),
            *(scores(one, _took(one, found)) for one in found["starts"]),
            "",
            f"| difference | {' | '.join(f'{n} labels' for n in labels)} |",
            "|" + " --- |" * (len(labels) + 1),
            *differences([*found["gains"], *found["added"]]),
            "",
            *(saved(found["saved"], labels) if len(labels) > 1 else ()),
            f"{found['n_images']:,} test images; intervals by {found['unit']} ({number:,} {what}) and seed."
            f" {circumstances(json.loads(first.read_text()))}",
            "",
        ]
    )


def scores(one: dict[str, Any], *more: str) -> str:
    """A start or an arm: its mean with interval, and each seed; then what else is said of it."""
    cells = [f"`{one['start']}`"]
    for point in one["points"]:
        each = ", ".join("–" if value is None else f"{value:.3f}" for value in point["scores"])
        cells.append(f"**{point['value']:.3f}** ({point['low']:.3f}–{point['high']:.3f}); {each}")
    return f"| {' | '.join([*cells, *more])} |"


def _took(one: dict[str, Any], found: dict[str, Any]) -> str:
    took = found["seconds"][one["start"]]["pretraining"]["mean"]
    return "–" if took is None else f"{took:.0f} s"


def differences(found: list[dict[str, Any]]) -> list[str]:
    """A line per pair: difference, interval, p after Holm's correction."""
    rows: dict[str, list[str]] = {}
    for one in found:
        bold = "**" if one["excludes_zero"] else ""
        p = f"; p = {one['p_holm']:.2g}" if one.get("p_holm") is not None else ""
        rows.setdefault(f"`{one['start']}` − `{one['minus']}`", []).append(
            f"{bold}{signed(one['value'])}{bold} ({signed(one['low'])} to {signed(one['high'])}){p}"
        )
    return [f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items()]


def saved(found: list[dict[str, Any]], labels: list[int]) -> list[str]:
    """A line per start: share of labels saved."""
    rows: dict[str, list[str]] = {}
    for one in found:
        least = "≥ " if one["value"] >= one["most"] - 1e-9 else ""
        rows.setdefault(f"`{one['start']}`", []).append(
            f"{least}{percent(one['value'])} ({percent(one['low'])} to {percent(one['high'])})"
        )
    return [
        f"| saves, at the score of random weights with | {' | '.join(map(str, labels[1:]))} |",
        "|" + " --- |" * len(labels),
        *(f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items()),
        "",
    ]


if __name__ == "__main__":
    run_study(
        __doc__,
        EXPERIMENTS,
        run=run,
        section=section,
        result="pretrain-study.json",
        mark="pretraining",
    )
