"""What a network that went on learning still knows of what it knew before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from medgraft.errors import MedgraftError, TableError
from medgraft.evaluate.measure import Measurement, Writer, measure_table
from medgraft.evaluate.paired import difference
from medgraft.evaluate.table import of_run, read_frame
from medgraft.index import Index
from medgraft.prepare.store import Store, default_cache
from medgraft.runs import RunFolder
from medgraft.train.data import Data
from medgraft.train.donor import SEEN
from medgraft.train.ensemble import Ensemble
from medgraft.train.recipe import Recipe

METRICS = ("accuracy", "auroc")
PART = "val"


def look_back(recipe: Recipe, answering: Ensemble, data: Data) -> dict[str, Any]:
    """Ask the new network about the validation images of the run it went on from.

    Images of patients that the new training part holds are left out. Answers are the likeliest
    class (of labels by themselves: 0.5), before and after alike.

    Args:
        recipe: Says which run, how many replicates and which seed.
        answering: The new network.
        data: What it was trained on, and how images are prepared.

    Returns:
        What forgetting.json holds: `run`, `split`, `images`, `left_out`; `knew` and `kept`, the
        images that the run had right and those of them that the new network has right;
        `metrics` {name: {before, after, difference}}, each with value and interval. A
        `reason`, and nothing else but the run, where it cannot be measured.
    """
    assert recipe.continues is not None, "a run that begins anew has nothing to forget"
    run = RunFolder(Path(recipe.continues))
    told: dict[str, Any] = {"run": run.path.resolve().name}
    try:
        return told | _looked_back(run, recipe, answering, data)
    except (MedgraftError, OSError) as error:  # a training is worth more than a look back
        return told | {"reason": str(error)}


def _looked_back(run: RunFolder, recipe: Recipe, answering: Ensemble, data: Data) -> dict[str, Any]:
    index, before = Index.load(run.index), read_frame(run.predictions)
    mine = data.index.part("train").frame
    again = index.frame.filter((pl.col("split") == PART) & ~_known(mine))
    images = int((index.frame["split"] == PART).sum())
    if again.is_empty():
        raise TableError(
            f"the run must have validation images whose patients are not trained on now, but of"
            f" its {images} none is left."
        )
    store = Store.open(
        index.with_frame(again),
        data.steps,
        cache=default_cache(),
        bits=8 if data.store.scale == 255 else 16,
    )
    usable = store.rows >= 0
    kept = again.filter(pl.Series(usable))
    names = list(data.target.names)
    probability = answering.probabilities(store, store.rows[usable])
    old = kept.select("image_id", "path").join(before, on=["image_id", "path"], how="inner")
    if old.height != kept.height:
        raise TableError(f"'{run.predictions}' must have all images of its run, and lacks some.")
    new = old.with_columns(pl.Series(f"p_{n}", probability[:, k]) for k, n in enumerate(names))
    patients = index.patients_known
    one, two = (_measured(table, data, recipe, patients=patients) for table in (old, new))
    right = [_right(table, data) for table in (old, new)]
    write = Writer(one.units, 0.95, "linear")
    return {
        "split": PART,
        "images": kept.height,
        "left_out": images - kept.height,
        "unit": one.units.name,
        "replicates": recipe.replicates,
        "knew": int(right[0].sum()),
        "kept": int((right[0] & right[1]).sum()),
        "metrics": {name: _entry(one, two, name, write) for name in METRICS},
    }


def _known(mine: pl.DataFrame) -> pl.Expr:
    """Rows of images or patients that stand in `mine`."""
    held = [pl.col(key).is_in(mine[key].drop_nulls().implode()).fill_null(value=False) for key in SEEN]  # fmt: skip
    return pl.any_horizontal(held)


def _measured(table: pl.DataFrame, data: Data, recipe: Recipe, *, patients: bool) -> Measurement:
    target = data.target
    rows = of_run(table, kind=target.kind, positive=target.positive)
    if not patients:
        rows = replace(rows, patients=None)
    return measure_table(rows, wanted=METRICS, replicates=recipe.replicates, seed=recipe.seed)


def _right(table: pl.DataFrame, data: Data) -> np.ndarray:
    """Whether each image got the right answer to everything that is known of it."""
    names, kind = data.target.names, data.target.kind
    truth = table.select(pl.col(f"y_{n}").cast(pl.Float64) for n in names).fill_null(float("nan"))
    return all_right(truth.to_numpy(), table.select(f"p_{n}" for n in names).to_numpy(), kind)


def all_right(truth: np.ndarray, probability: np.ndarray, kind: str) -> np.ndarray:
    """Whether each image got the right answer to everything that is known of it, shape (N,).

    Args:
        truth: Shape (N, K): 1, 0, -1 or NaN where unknown.
        probability: Shape (N, K).
        kind: "exclusive": the likeliest class; "independent": each label at 0.5.

    Examples:
        >>> truth = np.array([[1.0, 0.0], [0.0, 1.0], [np.nan, np.nan]])
        >>> all_right(truth, np.array([[0.9, 0.1], [0.8, 0.2], [0.5, 0.5]]), "exclusive")
        array([ True, False, False])
    """
    known = truth >= 0  # not NaN, not uncertain
    if kind == "exclusive":
        right = truth.argmax(axis=1) == probability.argmax(axis=1)
    else:
        right = (((probability >= 0.5) == (truth == 1)) | ~known).all(axis=1)
    found: np.ndarray = right & known.any(axis=1)
    return found


def _entry(before: Measurement, after: Measurement, name: str, write: Writer) -> Mapping[str, Any]:
    one, two = before.metrics[name], after.metrics[name]
    return {
        "before": write.entry(one),
        "after": write.entry(two),
        "difference": difference(one, two, write),
    }
