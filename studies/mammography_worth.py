"""What the preparation of mammograms is worth; writes docs/results.md.

    .venv/bin/python studies/mammography_worth.py --data ../shared/data --out runs/mammography-worth

Trains with and without the preparation, split by woman. A run that is finished is not repeated, so
the study can be stopped and started again; `--only NAME` makes one part, `--write` only the
page. What the preparation removes is the business of `mammography.py`.
"""

from __future__ import annotations

import csv
import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from results_page import called, circumstances, run_study

MARK = "mammography-worth"
SET = "mammo-mias"
SEEDS = 3

# --- settings: all that decides how long it takes and how good it gets ---------------------

MOBILE = (
    "--backbone mobilenetv2_100 --weights {data}/weights/mobilenetv2_100_imagenet.safetensors"
    " --size 224 --batch-size 16 --epochs 20 --rate 5e-4"
)
INCEPTION = (
    "--backbone inception_v4 --after inception_a4 --weights none --size 224 --batch-size 16"
    " --epochs 12 --rate 1e-3"
)
SHARED = "--augment films --threads 1 --precision bfloat16 --test 0.4 --val 0.1"

# -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Training:
    """One question, one network, with and without the preparation.

    Attributes:
        folder: Name of its folder.
        label: Column of the table that it learns: abnormal, or malignant of abnormal films.
        flags: Of the network.
        arms: What is compared, the first with the others.
        about: The heading.
    """

    folder: str
    label: str
    flags: str
    arms: str
    about: str

    def run(self, data: Path, out: Path) -> None:
        """Index the films once, and train what is missing."""
        index = out / f"{self.label}.parquet"
        if not index.is_file():
            write_table(data / SET, out / f"{self.label}.csv", self.label)
            called(
                f"index {data / SET} --layout csv --table {out / self.label}.csv --path file"
                f" --label label --patient patient --out {index}".split()
            )
        called(self.command(str(index), data, out / self.folder))

    def command(self, index: str, data: Path | str, out: Path | str) -> list[str]:
        """The command that makes it alone."""
        flags = f"{self.flags} {SHARED}".format(data=data).split()
        return [
            "transfer",
            index,
            "--arms",
            self.arms,
            "--seeds",
            str(SEEDS),
            *flags,
            "--out",
            str(out),
        ]

    def section(self, folder: Path) -> str:
        """A row per arm: AUROC with its interval, each seed, and the difference from the first."""
        found = json.loads((folder / "transfer.json").read_text(encoding="utf-8"))
        experiment = json.loads((folder / "experiment.json").read_text(encoding="utf-8"))
        run = json.loads((folder / experiment["runs"][0]["folder"] / "run.json").read_text())
        shown = shlex.join(self.command(f"{self.label}.parquet", "..", f"runs/{self.folder}"))
        tests = {one["arm"]: one for one in found["differences"]}
        lines = [
            f"### {self.about}",
            "",
            "```",
            f"medgraft {shown}",
            "```",
            "",
            f"{found['n_images']} test films of {found['n_patients']} women; mean over"
            f" {len(found['seeds'])} seeds, 95 % intervals by woman.",
            "",
            "| arm | AUROC | each seed | accuracy | recall | specificity | minus the first | p | seconds |",
            "|" + " --- |" * 9,
        ]
        for arm in found["arms"]:
            seeds = ", ".join(auroc_of_runs(folder, experiment, arm["arm"]))
            cells = [cell(arm["metrics"][name]) for name in ("accuracy", "recall", "specificity")]
            lines.append(
                f"| {arm['arm']} | **{cell(arm['metrics']['auroc'])}** | {seeds} |"
                f" {' | '.join(cells)} | {difference(tests.get(arm['arm']))} |"
                f" {arm['seconds']['mean']:.0f} |"
            )
        return "\n".join([*lines, "", circumstances(run), ""])


PARTS = [
    Training(
        "abnormal-mobilenetv2",
        "abnormal",
        MOBILE,
        "full,full@preset=mammography",
        "Normal or abnormal, MobileNetV2 in full from ImageNet weights",
    ),
    Training(
        "abnormal-inception",
        "abnormal",
        INCEPTION,
        "full,full@preset=mammography",
        "Normal or abnormal, Inception V4 up to inception_a4, from random weights",
    ),
    Training(
        "malignant-mobilenetv2",
        "malignant",
        MOBILE,
        "full,full@preset=mammography",
        "Benign or malignant, of the abnormal films, MobileNetV2 in full from ImageNet weights",
    ),
]


def write_table(films: Path, target: Path, label: str) -> None:
    """A row per film with the worst that `labels.csv` says of it."""
    worst: dict[str, tuple[str, int]] = {}
    with (films / "labels.csv").open(encoding="utf-8") as handle:
        for row in csv.DictReader(handle):
            rank = {"": 0, "B": 1, "M": 2}[row["severity"]]
            rank = max(rank, worst.get(row["ref"], ("", 0))[1], row["abnormality"] != "NORM")
            worst[row["ref"]] = row["patient"], rank
    with target.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["file", "patient", "label"])
        for ref, (patient, rank) in sorted(worst.items()):
            if label == "abnormal":
                said = "abnormal" if rank else "normal"
            elif not rank:
                continue
            else:
                said = "malignant" if rank == 2 else "benign"
            writer.writerow([f"png256/{ref}.png", patient, said])


def auroc_of_runs(folder: Path, experiment: dict[str, Any], arm: str) -> Iterator[str]:
    """The AUROC of each run of an arm."""
    for run in experiment["runs"]:
        if run["arm"] == arm:
            saved = json.loads((folder / run["folder"] / "evaluation.json").read_text())
            yield f"{saved['metrics']['auroc']['value']:.3f}"


def cell(entry: dict[str, Any]) -> str:
    """A value with its interval."""
    if entry["value"] is None:
        return "undefined"
    if entry["low"] is None:
        return f"{entry['value']:.3f}"
    return f"{entry['value']:.3f} ({entry['low']:.3f}–{entry['high']:.3f})"


def difference(test: dict[str, Any] | None) -> str:
    """A difference of AUROC with its interval, and DeLong's p after Holm."""
    if test is None:
        return " | "
    entry = test["metrics"]["auroc"]
    if entry["low"] is None:
        return f"{entry['value']:+.3f} | "
    text = f"{entry['value']:+.3f} ({entry['low']:+.3f} to {entry['high']:+.3f})".replace("-", "−")
    p = test["delong"].get("p_holm")
    return f"{text} | {'' if p is None else f'{p:.3f}'}"


def main() -> None:
    """Train, write."""
    run_study(
        __doc__,
        PARTS,
        run=lambda part, data, out: part.run(data, out),
        section=lambda part, folder: part.section(folder),
        result="transfer.json",
        mark=MARK,
    )


if __name__ == "__main__":
    main()
