"""Sixteen architectures on chest films: does ImageNet accuracy, size or pretraining help, how small may it be?

    .venv/bin/python studies/architectures.py --data ../shared/data --out runs/architectures

Runs `studies/architectures.toml` by `medgraft study`. Stopped, the same command goes on; a finished
run is not repeated. Rewrites its part of docs/results.md from what is finished.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
from pathlib import Path
from typing import Any

from results_page import PAGE, circumstances, put

from medgraft.cli.__main__ import main as medgraft
from medgraft.report.words import number, p_value, percent, signed

ROOT = Path(__file__).parents[1]
STUDY = Path(__file__).with_suffix(".toml")
INDEX = "--layout csv --table labels.csv --path file --label label --patient group"
SPLIT = "--test 0.2 --val 0.03 --seed 0"


FIGURES = {
    "score-top1-none": "score against accuracy on ImageNet, random weights",
    "cuts-none": "score of cut networks against their parameters",
    "front": "score against speed",
}


def run(data: Path, out: Path, workers: str) -> None:
    """Make what is missing."""
    index = out.with_suffix(".parquet")
    if not index.is_file():
        index.parent.mkdir(parents=True, exist_ok=True)
        call(["index", str(data / "cxr-kermany"), *shlex.split(INDEX), "--out", str(index)])
        call(["split", str(index), *SPLIT.split()])
    call(["study", str(STUDY), "--index", str(index), "--out", str(out), "--workers", workers])


def call(arguments: list[str]) -> None:
    """One command; the study ends where it fails."""
    if status := medgraft(arguments):
        raise SystemExit(status)


def section(out: Path) -> str:
    """The answers and the tables."""
    found = json.loads((out / "study.json").read_text())
    first = next(out.glob("runs/*/run.json"))
    launch = found["launch"]
    return "\n".join(
        [
            *(f"{text}\n" for text in found["answer"]),
            "```",
            f"medgraft index cxr-kermany {INDEX} --out cxr-kermany.parquet",
            f"medgraft split cxr-kermany.parquet {SPLIT}",
            "medgraft study studies/architectures.toml --index cxr-kermany.parquet --out runs/architectures",
            "```",
            "",
            "| network | weights | AUROC | seeds | parameters | operations, M | kept per image, MiB | images per second | ImageNet, % |",
            "|" + " --- |" * 9,
            *(scored(one, found) for one in found["groups"]),
            "",
            "| pretrained minus random | AUROC | p (Holm) |",
            "| --- | --- | --- |",
            *(difference(one["network"], one) for one in found["boosts"]),
            "",
            "| cut minus whole | AUROC | p (Holm) |",
            "| --- | --- | --- |",
            *cuts(found),
            "",
            "| of | with | weights | rank correlation | p | networks |",
            "|" + " --- |" * 6,
            *(correlation(one) for one in found["correlations"]),
            "",
            "| no other is better and faster | weights | AUROC | images per second | of the replicates |",
            "|" + " --- |" * 5,
            *(front(one) for one in found["front"] if one["on_front"]),
            "",
            f"A run's AUROC has a standard deviation of {found['variance']['sd_seeds']:.4f} over seeds and of"
            f" {found['variance']['sd_patients']:.4f} over patients (pooled over all groups).",
            "",
            f"{found['n_images']:,} test images of {found['n_patients']:,} patients; processes of"
            f" {launch['threads']} thread(s). {circumstances(json.loads(first.read_text()))}",
            "",
            *(f"![{what}](figures/architectures-{name}.svg)\n" for name, what in FIGURES.items()),
            "",
        ]
    )


def scored(one: dict[str, Any], found: dict[str, Any]) -> str:
    """A group: its mean with interval, its seeds, and what its network costs."""
    cost = found["networks"][one["network"]]
    cells = [
        one["network"],
        one["weights"],
        f"**{number(one['value'])}** ({number(one['low'])}–{number(one['high'])})",
        ", ".join(number(run["value"]) for run in one["runs"]),
        f"{cost['parameters']:,}",
        f"{cost['operations'] / 1e6:,.0f}",
        f"{cost['memory_bytes'] / 2**20:.1f}",
        f"{cost['images_per_second']:,.0f}",
        f"{cost['top1']:.1f}",
    ]
    return f"| {' | '.join(cells)} |"


def difference(name: str, one: dict[str, Any]) -> str:
    """A difference with its interval and test."""
    p = "–" if one["p_holm"] is None else p_value(one["p_holm"])
    return (
        f"| {name} | {signed(one['value'])} ({signed(one['low'])} to {signed(one['high'])}) | {p} |"
    )


def cuts(found: dict[str, Any]) -> list[str]:
    """A row per cut; the smallest that is not significantly worse is bold."""
    rows = []
    for curve in found["cuts"]:
        for point in curve["points"]:
            if point["difference"] is not None:
                smallest = point["network"] == curve["smallest"]
                name = f"**{point['network']}**" if smallest else point["network"]
                rows.append(difference(f"{name} ({curve['weights']})", point["difference"]))
    return rows


def correlation(one: dict[str, Any]) -> str:
    """A rank correlation with its interval."""
    what = "score" if one["of"] == "score" else "gain by pretraining"
    if one["rho"] is None:
        return f"| {what} | {one['with']} | {one['weights']} | undefined | – | {one['models']} |"
    ends = f"({signed(one['low'])} to {signed(one['high'])})"
    return f"| {what} | {one['with']} | {one['weights']} | {signed(one['rho'])} {ends} | {p_value(one['p'])} | {one['models']} |"


def front(one: dict[str, Any]) -> str:
    """A network that no other beats in both."""
    share = percent(one["share_of_replicates"])
    return f"| {one['network']} | {one['weights']} | {number(one['value'])} | {one['images_per_second']:,.0f} | {share} |"


def main() -> None:
    """Run what is missing and rewrite the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "architectures")
    parser.add_argument("--workers", default="1", help="processes, one thread each or more")
    parser.add_argument("--write", action="store_true", help="only write the page")
    asked = parser.parse_args()
    if not asked.write:
        run(asked.data.resolve(), asked.out, asked.workers)
    for name in FIGURES:
        figure = PAGE.parent / "figures" / f"architectures-{name}.svg"
        shutil.copyfile(asked.out / "figures" / f"{name}.svg", figure)
    put(section(asked.out), "architectures")


if __name__ == "__main__":
    main()
