"""The main job on two real archives, three seeds each; writes its table into docs/results.md.

    .venv/bin/python studies/main_job.py --data ../shared/data --out runs/main-job

A run that is finished is not repeated, so the study can be stopped and started again. The seed
decides the split, the weights and the order: the spread over seeds is that of the whole job.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from results_page import circumstances, put

ROOT = Path(__file__).parents[1]
SEEDS = (0, 1, 2)
ARCHIVES = {
    "cxr-kermany": {
        "index": "--layout csv --table labels.csv --path file --label label --patient group",
        "train": "--backbone resnet18 --weights none --size 64 --epochs 8",
    },
    "histo-idc": {
        "index": "--layout csv --table labels.csv --path file --label label --patient patient",
        "train": "--backbone resnet18 --weights none --size 48 --epochs 20 --augment patches",
    },
}
SHOWN = ("auroc", "average_precision", "accuracy", "recall", "specificity", "brier")


def medgraft(*arguments: str) -> None:
    """Run one command, and stop if it fails."""
    print("medgraft", shlex.join(arguments), flush=True)
    subprocess.run([sys.executable, "-m", "medgraft.cli", *arguments], check=True)


def run(name: str, seed: int, data: Path, out: Path) -> Path:
    """Index, split and train once; returns the run folder."""
    folder = out / f"{name}-{seed}"
    if (folder / "report.html").is_file():
        return folder
    commands = ARCHIVES[name]
    index = out / f"{name}-{seed}.parquet"
    given = shlex.split(commands["index"])
    medgraft("index", str(data / name), *given, "--out", str(index), "--force")
    medgraft("split", str(index), "--test", "0.2", "--val", "0.1", "--seed", str(seed))
    resume = ["--resume"] if (folder / "recipe.yaml").is_file() else []
    settings = [*shlex.split(commands["train"]), "--seed", str(seed)]
    medgraft("train", str(index), *(resume or settings), "--out", str(folder), *resume)
    return folder


def row(folder: Path, seed: int) -> str:
    """One line of the table, from what the run saved."""
    found = json.loads((folder / "evaluation.json").read_text())
    record = json.loads((folder / "run.json").read_text())
    cells = [str(seed), f"{found['n_images']:,} / {found['n_patients']:,}"]
    for name in SHOWN:
        entry = found["metrics"][name]
        cells.append(f"{entry['value']:.3f} ({entry['low']:.3f}–{entry['high']:.3f})")
    cells.append(f"{sum(record['seconds'].values()):.0f}")
    return f"| {' | '.join(cells)} |"


def section(name: str, out: Path) -> str:
    """The part of the page about one archive."""
    commands = ARCHIVES[name]
    record: dict[str, Any] = json.loads((out / f"{name}-0" / "run.json").read_text())
    heads = ["seed", "test images / patients", *SHOWN, "seconds"]
    return "\n".join(
        [
            f"### {name}",
            "",
            "```",
            f"medgraft index {name} {commands['index']} --out {name}.parquet",
            f"medgraft split {name}.parquet --test 0.2 --val 0.1 --seed 0",
            f"medgraft train {name}.parquet {commands['train']} --seed 0 --out runs/{name}",
            "```",
            "",
            f"| {' | '.join(heads)} |",
            f"|{' --- |' * len(heads)}",
            *(row(out / f"{name}-{seed}", seed) for seed in SEEDS),
            "",
            circumstances(record),
            "",
        ]
    )


def main() -> None:
    """Run what is missing and rewrite the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "main-job")
    asked = parser.parse_args()
    os.makedirs(asked.out, exist_ok=True)
    for name in ARCHIVES:
        for seed in SEEDS:
            run(name, seed, asked.data, asked.out)
    text = "\n".join(section(name, asked.out) for name in ARCHIVES)
    put(text, "main job")


if __name__ == "__main__":
    main()
