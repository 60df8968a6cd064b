"""The experiment that the first published system announced: vanilla against transfer, six metrics.

    .venv/bin/python studies/original_experiment.py --data ../shared/data --out runs/original

It was announced for Inception V4 on mammograms, with two points to freeze at, and its table was never
published. ImageNet weights of Inception V4 were not at hand, so these are MobileNetV2 and ResNet-18 to
layer3. A finished run is not repeated; rewrites its part of docs/results.md.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from results_page import circumstances, put
from transfer import NETWORKS, REPLICATES, ROOT, SEEDS

from medgraft.cli.__main__ import main as medgraft
from medgraft.report import write_transfer
from medgraft.study.arms import read_arms
from medgraft.study.transfer import transfer
from medgraft.train.recipe import Recipe

METRICS = ("accuracy", "recall", "precision", "f1", "specificity", "auroc")


@dataclass(frozen=True)
class Archive:
    """Images, and how long to train on them."""

    name: str
    index: str
    recipe: dict[str, Any]
    networks: tuple[str, ...]


ARCHIVES = (
    Archive(
        "mammo-mias",
        "--layout csv --table {out}/mammo-mias.csv --path path --label finding --patient woman",
        {"size": 128, "epochs": 15, "batch_size": 32, "augment": ("films",), "positive": "lesion"},
        ("mobilenetv2_100", "resnet18"),
    ),
    Archive(
        "cxr-kermany",
        "--layout csv --table labels.csv --path file --label label --patient group",
        {"size": 64, "epochs": 4, "batch_size": 64, "augment": ("films",), "val": 0.05},
        ("resnet18",),
    ),
)


def write_mias(data: Path, table: Path) -> None:
    """One row per film: any lesion, benign or malignant, is positive (the plan's own label)."""
    with (data / "mammo-mias" / "labels.csv").open(encoding="utf-8") as handle:
        films = {row["ref"]: row for row in csv.DictReader(handle)}
    with table.open("w", encoding="utf-8", newline="") as handle:
        rows = csv.writer(handle)
        rows.writerow(("path", "woman", "finding"))
        for ref, row in films.items():
            finding = "normal" if row["abnormality"] == "NORM" else "lesion"
            rows.writerow((f"png256/{ref}.png", row["patient"], finding))


def run(archive: Archive, network: str, data: Path, out: Path) -> Path:
    """Make what is missing of one experiment; its folder."""
    index = out / f"{archive.name}.parquet"
    if not index.is_file():
        if archive.name == "mammo-mias":
            write_mias(data, out / "mammo-mias.csv")
        given = archive.index.format(out=out.resolve()).split()
        status = medgraft(["index", str(data / archive.name), *given, "--out", str(index)])
        if status:
            raise SystemExit(status)
    settings = NETWORKS[network]
    weights = str(data / settings["weights"])
    recipe = Recipe(weights=weights, replicates=0, **archive.recipe, **settings["recipe"])
    arms = read_arms(f"vanilla,head@rate=1e-2,from:{settings['from']},full", weights=weights)
    folder = out / f"{archive.name}-{network}"
    print(f"\n{folder.name}", file=sys.stderr)
    transfer(index, folder, recipe, arms, seeds=SEEDS, command=sys.argv)
    print(write_transfer(folder, replicates=REPLICATES))
    return folder


def section(archive: Archive, network: str, folder: Path) -> str:
    """One table: an arm per line."""
    found = json.loads((folder / "transfer.json").read_text())
    record = json.loads((folder / found["arms"][0]["runs"][0]["folder"] / "run.json").read_text())
    heads = ("arm", *METRICS, "trainable", "seconds", "of vanilla's")
    settings = ", ".join(
        f"{key} {' '.join(value) if isinstance(value, tuple) else value}"
        for key, value in archive.recipe.items()
    )
    return "\n".join(
        [
            f"### {archive.name}, {network}",
            "",
            f"{found['answer']} {found['n_images']:,} test images of {found['n_patients']:,} patients;"
            f" {settings}.",
            "",
            f"| {' | '.join(heads)} |",
            f"|{' --- |' * len(heads)}",
            *(line(arm) for arm in found["arms"]),
            "",
            circumstances(record),
            "",
        ]
    )


def line(arm: dict[str, Any]) -> str:
    """Six metrics with intervals, parameters that learn, time."""
    cells = [f"`{arm['arm']}`"]
    for name in METRICS:
        entry = arm["metrics"][name]
        cells.append(f"{entry['value']:.3f} ({entry['low']:.3f}–{entry['high']:.3f})")
    cells += [
        f"{arm['trainable']:,}",
        f"{arm['seconds']['mean']:.0f}",
        f"{arm['ratio']['mean']:.2f}",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Run what is missing and rewrite the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "original")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    parts = [
        section(archive, network, run(archive, network, asked.data.resolve(), asked.out))
        for archive in ARCHIVES
        for network in archive.networks
    ]
    put("\n".join(parts), "original experiment")


if __name__ == "__main__":
    main()
