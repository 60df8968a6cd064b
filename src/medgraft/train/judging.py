"""What a trained network says of every image, and how good that is on the test rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from medgraft.evaluate import choose_thresholds, evaluate
from medgraft.evaluate.threshold import parse_rule
from medgraft.index.target import Target
from medgraft.train.data import Data
from medgraft.train.ensemble import Ensemble
from medgraft.train.recipe import Recipe

MIDDLE = 0.5


def predictions(ensemble: Ensemble, data: Data) -> pl.DataFrame:
    """Truth and probability of each image that has a part in the split.

    Returns:
        A row per image: image_id, path, patient_id, split, y_<name> (1, 0, -1 or null) and
        p_<name> in [0, 1].
    """
    used = data.index.frame["split"].is_not_null().to_numpy()
    frame = data.index.frame.filter(pl.Series(used))
    truth = data.target.matrix(frame)
    probability = ensemble.probabilities(data.store, data.stored[used])
    names = data.target.names
    return frame.select("image_id", "path", "patient_id", "split").with_columns(
        *(
            pl.Series(f"y_{name}", truth[:, k]).fill_nan(None).cast(pl.Int8)
            for k, name in enumerate(names)
        ),
        *(pl.Series(f"p_{name}", probability[:, k]) for k, name in enumerate(names)),
    )


def judge(table: pl.DataFrame, data: Data, recipe: Recipe) -> dict[str, Any]:
    """Choose thresholds on the validation rows and judge the test rows.

    Args:
        table: What `predictions` returned.
        data: What was predicted.
        recipe: Its rule for the threshold, its replicates and its seed.

    Returns:
        What ``evaluation.json`` holds.
    """
    target = data.target
    test = table.filter(pl.col("split") == "test")
    return evaluate(
        *_arrays(test, target.names),
        names=list(target.names),
        kind=target.kind,
        positive=target.positive,
        patients=test["patient_id"].to_numpy() if data.index.patients_known else None,
        split="test",
        replicates=recipe.replicates,
        seed=recipe.seed,
        **_thresholds(table.filter(pl.col("split") == "val"), target, recipe.threshold),
    )


def _thresholds(validation: pl.DataFrame, target: Target, rule: str) -> dict[str, Any]:
    """The thresholds, and how they were come by."""
    if target.kind == "exclusive" and target.positive is None:
        return {}  # the highest probability decides
    kind, number = parse_rule(rule)
    truth, probability = _arrays(validation, target.names)
    unknown = not (truth >= 0).any()
    if kind == "fixed" or unknown:
        names = target.names if target.kind == "independent" else (target.positive,)
        at, notes = number, []
        if kind != "fixed":
            at, rule = MIDDLE, str(MIDDLE)
            notes = [f"The threshold is {at}: no validation image with a label could decide it."]
        return {"thresholds": dict.fromkeys(names, at), "threshold_rule": rule, "notes": notes}
    chosen, notes = choose_thresholds(
        truth,
        probability,
        names=list(target.names),
        kind=target.kind,
        rule=rule,
        positive=target.positive,
    )
    return {
        "thresholds": chosen,
        "threshold_rule": rule,
        "threshold_split": "val",
        "notes": notes,
    }


def _arrays(table: pl.DataFrame, names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    truth = table.select(pl.col(f"y_{n}").cast(pl.Float64) for n in names)
    score = table.select(f"p_{n}" for n in names)
    return truth.fill_null(float("nan")).to_numpy(), score.to_numpy()


def by_name(threshold: float | dict[str, float] | None, target: Target) -> dict[str, float]:
    """The threshold of ``evaluation.json``, by the label that it decides; none decides none."""
    if isinstance(threshold, dict):
        return threshold
    return {} if target.positive is None or threshold is None else {target.positive: threshold}
