"""Whether advice holds: takes the advice of each experiment of studies/transfer.py, and judges it.

    .venv/bin/python studies/advice.py --data ../shared/data --out runs/transfer

`medgraft advise` sees the labelled training images of seed 0. What it advises becomes one more arm of
that experiment, trained from all its seeds, and is compared with full fine-tuning, which it advises
against where images are few, on the same test images. Run studies/transfer.py first.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from results_page import circumstances, put
from transfer import REPLICATES, ROOT, SEEDS, Experiment, experiments

from medgraft.advise import advise
from medgraft.evaluate import delong_of_mean
from medgraft.files import write_json
from medgraft.report import write_transfer
from medgraft.study.arms import read_arms
from medgraft.study.transfer import transfer

RIVAL = "full"


def ask(one: Experiment, data: Path, out: Path) -> dict[str, Any]:
    """The advice for an experiment; asked once, and kept."""
    kept = out / f"{one.name}-advice.json"
    if not kept.is_file():
        index = out / one.name / "index.parquet"
        write_json(kept, advise(index, one.recipe(data)).record())
    found: dict[str, Any] = json.loads(kept.read_text())
    return found


def arm_of(said: dict[str, Any]) -> str:
    """The advised training, as --arms takes it."""
    cut = said["cut"]
    return said["strategy"] + (f":{cut}" if cut else "")


def follow(one: Experiment, advised: str, data: Path, out: Path) -> None:
    """Train what was advised, as one more arm."""
    recipe = one.recipe(data)
    named = [name for _, *names in one.rows() for name in names]
    arms = one.arms() if advised in named else f"{one.arms()},{advised}"
    transfer(
        out / f"{one.archive}.parquet",
        out / one.name,
        recipe,
        read_arms(arms, weights=recipe.weights),
        seeds=SEEDS,
        command=sys.argv,
    )
    write_transfer(out / one.name, replicates=REPLICATES)


def row(one: Experiment, said: dict[str, Any], out: Path) -> str:
    """One line of the table."""
    found = json.loads((out / one.name / "transfer.json").read_text())
    arms = {arm["arm"]: arm for arm in found["arms"]}
    best = max(arms.values(), key=lambda arm: arm["metrics"]["auroc"]["value"])
    truth, patients, advised = scores(arms[arm_of(said)], out / one.name)
    _, _, rival = scores(arms[RIVAL], out / one.name)
    gap = delong_of_mean(truth, rival, advised, patients)
    verdict = (
        "better"
        if gap.low > 0
        else "**worse: did not hold**"
        if gap.high < 0
        else "no worse, no better"
    )
    distance = "–" if said["distance"] is None else f"{said['distance']:.2f}"
    cells = [
        f"{one.archive}, {one.labels}, {one.network}",
        f"`{arm_of(said)}` ({said['scenario']})",
        said["confidence"],
        distance,
        f"{gap.second:.3f}",
        f"{gap.difference:+.3f} ({gap.low:+.3f} to {gap.high:+.3f})".replace("-", "−"),
        verdict,
        f"`{best['arm']}` {best['metrics']['auroc']['value']:.3f}",
    ]
    return f"| {' | '.join(cells)} |"


def scores(arm: dict[str, Any], folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth and scores of the test images, a column per seed, and their patients."""
    tables = [
        pl.read_parquet(folder / run["folder"] / "predictions.parquet")
        .filter(pl.col("split") == "test")
        .sort("image_id", "path")
        for run in arm["runs"]
    ]
    positive = tables[0].columns[-1].removeprefix("p_")
    truth = np.column_stack([table[f"y_{positive}"].to_numpy() for table in tables])
    said = np.column_stack([table[f"p_{positive}"].to_numpy() for table in tables])
    return truth, tables[0]["patient_id"].to_numpy(), said


def main() -> None:
    """Ask, train, compare, and rewrite the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "transfer")
    asked = parser.parse_args()
    lines, record = [], {}
    for one in experiments(""):
        if not (asked.out / one.name / "transfer.json").is_file():
            continue
        said = ask(one, asked.data.resolve(), asked.out)
        follow(one, arm_of(said), asked.data.resolve(), asked.out)
        lines.append(row(one, said, asked.out))
        record = json.loads((asked.out / one.name / "runs" / "vanilla-0" / "run.json").read_text())
    heads = (
        "images, labels per class, network",
        "advice",
        "confidence",
        "distance",
        "AUROC",
        "minus full fine-tuning",
        "that is",
        "best arm of all",
    )
    table = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}", *lines]
    put("\n".join([*table, "", circumstances(record), ""]), "advice")


if __name__ == "__main__":
    main()
