"""Uncertain and blank labels: is each policy worth what it must be, where the truth is known?

    .venv/bin/python studies/uncertain_labels.py --data ../shared/data

Draws five findings onto real chest films, with reports that hedge them by a known rule, and runs
`studies/uncertain_labels.toml` by `medgraft study`. Stopped, the same command goes on. Everything
lies in runs/uncertain_labels. Rewrites its part of docs/results.md from what is finished.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
from pathlib import Path
from typing import Any

from results_page import circumstances, put

from medgraft.cli.__main__ import main as medgraft
from medgraft.report.words import number, p_value, signed
from medgraft.train.recipe import Recipe

ROOT = Path(__file__).parents[1]
STUDY = Path("studies/uncertain_labels.toml")
OUT = Path("runs/uncertain_labels")
LABELS = "No Finding,Atelectasis,Cardiomegaly,Consolidation,Edema,Pleural Effusion"
FILMS = "--layout csv --table labels.csv --path file --label label --patient group --no-decode"
DRAWN = "--format chexpert --patients 450 --views 2 --contrast 0.4 --seed 0"
SPLIT = "--test 0.3 --val 0.1 --seed 0"


def run(data: Path, workers: str) -> None:
    """Make what is missing, in the order in which a user would."""
    films, drawn, index, donor = (
        OUT / name for name in ("films.parquet", "chexpert", "chexpert.parquet", "donor")
    )
    if not films.is_file():
        call(["index", str(data / "cxr-kermany"), *FILMS.split(), "--out", str(films)])
    if not (drawn / "train.csv").is_file():
        call(["phantoms", "--out", str(drawn), "--films", str(films), *DRAWN.split()])
    if not index.is_file():
        call(["index", str(drawn), "--label", LABELS, "--out", str(index)])
        call(["split", str(index), *SPLIT.split()])
    if not (donor / "predictions.parquet").is_file():
        call(["train", str(index), *settings(data), "--out", str(donor)])
    call(["study", str(STUDY), "--index", str(index), "--out", str(OUT / "study"),
          "--workers", workers, "--threads", "1"])  # fmt: skip


def settings(data: Path) -> list[str]:
    """Of the run that self-training asks: no protocol, for it needs no ensemble."""
    weights = data / "weights" / "resnet18_to_layer3_imagenet.safetensors"
    return shlex.split(
        f"--backbone resnet18 --after layer3 --weights {weights} --size 64 --channels 3 --epochs 6"
        " --batch-size 16 --rate 1e-4 --blank zeros --seed 7"
    )


def call(arguments: list[str]) -> None:
    """One command; the study ends where it fails."""
    if status := medgraft(arguments):
        raise SystemExit(status)


def section() -> str:
    """The policies, label by label."""
    found = json.loads((OUT / "study" / "study.json").read_text())
    first = next((OUT / "study").glob("runs/*/run.json"))
    names = found["labels"]
    return "\n".join(
        [
            "```",
            f"medgraft index cxr-kermany {FILMS} --out films.parquet",
            f"medgraft phantoms --out chexpert --films films.parquet {DRAWN}",
            f'medgraft index chexpert --label "{LABELS}" --out chexpert.parquet',
            f"medgraft split chexpert.parquet {SPLIT}",
            f"medgraft train chexpert.parquet {' '.join(settings(Path('data')))} --out donor",
            "medgraft study studies/uncertain_labels.toml --index chexpert.parquet --out runs/uncertain_labels/study",
            "```",
            "",
            f"| uncertain | blank | mean AUROC | {' | '.join(names)} |",
            "|" + " --- |" * (3 + len(names)),
            *(scored(one, names) for one in found["groups"]),
            "",
            f"| minus `ignore`, blank as zeros | mean | p (Holm) | {' | '.join(names)} |",
            "|" + " --- |" * (3 + len(names)),
            *(changed(one, names) for one in found["changes"]),
            "",
            f"{found['n_images']:,} test images of {found['n_patients']:,} patients, of whose labels those that"
            f" are uncertain or blank are left out; {len(found['groups'][0]['runs'])} seeds."
            f" {circumstances(json.loads(first.read_text()))}",
            "",
        ]
    )


def policy(others: dict[str, Any]) -> tuple[str, str]:
    """What stands for uncertain and for blank labels."""
    uncertain = others["uncertain"][0].partition(":")[0]
    return f"`{uncertain}`", str(others.get("blank", Recipe().blank))


def scored(one: dict[str, Any], names: list[str]) -> str:
    """A policy: mean AUROC with its interval, and that of each label."""
    uncertain, blank = policy(one["others"])
    labels = (number(one["labels"][name]["value"]) for name in names)
    mean = f"**{number(one['value'])}** ({number(one['low'])}–{number(one['high'])})"
    return f"| {uncertain} | {blank} | {mean} | {' | '.join(labels)} |"


def changed(one: dict[str, Any], names: list[str]) -> str:
    """A policy against the first; labels whose interval excludes zero are bold."""
    uncertain, blank = policy(one["others"])
    labels = [one["labels"][name] for name in names]
    cells = [
        f"**{signed(each['value'])}**" if each["excludes_zero"] else signed(each["value"])
        for each in labels
    ]
    mean = f"{signed(one['value'])} ({signed(one['low'])} to {signed(one['high'])})"
    return f"| {uncertain}, {blank} | {mean} | {p_value(one['p_holm'])} | {' | '.join(cells)} |"


def main() -> None:
    """Run what is missing and rewrite the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--workers", default="1", help="processes of one thread each")
    parser.add_argument("--write", action="store_true", help="only write the page")
    asked = parser.parse_args()
    data = asked.data.resolve()
    os.chdir(ROOT)  # the study names the run that self-training asks from here
    OUT.mkdir(parents=True, exist_ok=True)
    if not asked.write:
        run(data, asked.workers)
    put(section(), "uncertain_labels")


if __name__ == "__main__":
    main()
