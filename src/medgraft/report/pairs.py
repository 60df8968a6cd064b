"""Paired differences between runs that were judged on the same rows: what comparison.json holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import polars as pl

from medgraft.errors import ArgumentError, ShapeError, TableError, UndefinedMetricError
from medgraft.evaluate import holm
from medgraft.evaluate.delong import delong_of_placed
from medgraft.evaluate.measure import Measurement, measure_table
from medgraft.evaluate.paired import differences
from medgraft.evaluate.segmentation import paired_segmentation
from medgraft.evaluate.table import Predictions
from medgraft.progress import track
from medgraft.report.contracts import Evaluation
from medgraft.report.rows import BY_ORDER, by_order, same_rows
from medgraft.report.saved import Saved

CONFIDENCE = 0.95
ALPHA = 1 - CONFIDENCE
BY_CHANCE = (
    "Intervals of the differences are not corrected for their number: where nothing differs,"
    " about one in twenty excludes zero all the same. The p-values of AUROC are corrected for the number of"
    " comparisons (Holm)."
)
NO_TEST = (
    "Intervals of the differences are not corrected for their number: where nothing differs,"
    " about one in twenty excludes zero all the same."
)


def compare(
    saved: Sequence[Saved], names: Sequence[str], *, replicates: int = 1000, seed: int = 0
) -> dict[str, Any]:
    """Every run minus the first, on the same rows and in the same replicates.

    Args:
        saved: At least two runs; the first is the reference.
        names: What to call each.
        replicates: Bootstrap replicates.
        seed: Of the replicates.

    Returns:
        What comparison.json holds, see docs/reference/metrics.md.

    Raises:
        TableError: If the runs were not judged on the same rows, see `same_rows`.
    """
    evaluation = saved[0].evaluation
    if any(one.evaluation.of_masks for one in saved):
        found = _of_masks(saved, names, replicates, seed)
        by_chance = NO_TEST
    else:
        found = _of_labels(saved, names, replicates, seed)
        by_chance = BY_CHANCE
    return {
        "reference": names[0],
        "split": evaluation.split,
        **{key: found[0][key] for key in ("n_images", "n_patients", "unit", "replicates", "seed")},
        "confidence": CONFIDENCE,
        "kind": evaluation.kind,
        "names": evaluation.names,
        "positive": evaluation.positive,
        "runs": [_run(one, name) for one, name in zip(saved, names, strict=True)],
        "differences": [
            {"run": name, **{key: one[key] for key in ("metrics", "classes", "delong")}}
            for name, one in zip(names[1:], found, strict=True)
        ],
        "notes": [by_chance, *([BY_ORDER] if by_order(saved) else [])],
    }


def _of_labels(
    saved: Sequence[Saved], names: Sequence[str], replicates: int, seed: int
) -> list[dict[str, Any]]:
    first, *others = same_rows(saved, names)
    reference = _measured(saved[0], first, replicates, seed)
    pairs = list(zip(saved[1:], others, strict=True))
    found = []
    for one, table in track(pairs, what="compare runs", unit="run"):
        measured = _measured(one, table, replicates, seed)
        found.append(
            {
                **differences(reference, measured, replicates=replicates, seed=seed),
                "delong": delong_of_runs([first], [table]),
            }
        )
    correct([one["delong"] for one in found])
    return found


def _measured(saved: Saved, table: Predictions, replicates: int, seed: int) -> Measurement:
    """Every run is measured once, however many it is compared with."""
    try:
        return measure_table(
            table, thresholds=thresholds(saved.evaluation), replicates=replicates, seed=seed
        )
    except (ArgumentError, ShapeError) as error:
        raise TableError(
            f"predictions must be such as `medgraft evaluate` takes: {error}"
        ) from error


def _of_masks(
    saved: Sequence[Saved], names: Sequence[str], replicates: int, seed: int
) -> list[dict[str, Any]]:
    """As of labels, image by image; DeLong's test has nothing to say of masks."""
    for one, name in zip(saved, names, strict=True):
        if not one.evaluation.of_masks:
            raise TableError(
                f"runs of masks are compared with each other, but {name!r} has labels."
            )
    found = [
        paired_segmentation(
            saved[0].predictions,
            other.predictions,
            split=saved[0].evaluation.split,
            replicates=replicates,
            seed=seed,
            confidence=CONFIDENCE,
        )
        for other in saved[1:]
    ]
    return [{**one, "delong": None} for one in found]


def thresholds(evaluation: Evaluation) -> float | dict[str, float] | None:
    """Where each label is called positive, as `evaluate` takes it.

    Raises:
        ArgumentError: If a label has none.
    """
    if not isinstance(evaluation.threshold, dict):
        return evaluation.threshold
    numbers = {name: at for name, at in evaluation.threshold.items() if at is not None}
    if missing := sorted(evaluation.threshold.keys() - numbers.keys()):
        raise ArgumentError(f"every label must have a threshold, but {missing} have none")
    return numbers


def delong_of_runs(first: Sequence[Predictions], second: Sequence[Predictions]) -> dict[str, Any]:
    """DeLong's test of the AUROC, or of the mean of those AUROCs that have enough rows.

    Args:
        first: One run or several, such as one per seed: their mean AUROC is taken.
        second: As many, on the same rows.

    Returns:
        The fields of `Comparison`, and `classes` with the same for each label; `p` is None,
        with a reason, where there are too few rows.
    """
    one = first[0]
    asked = [one.positive] if one.positive is not None else list(one.names)
    of_class, reasons = {}, {}
    for name in asked:
        try:
            of_class[name] = asdict(_delong_of(first, second, [name]))
        except UndefinedMetricError as error:
            reasons[name] = str(error)
    if not of_class:
        return {"p": None, "reason": next(iter(reasons.values())), "classes": {}}
    together = asdict(_delong_of(first, second, list(of_class)))
    left = {"reason": f"without {', '.join(reasons)}: too few rows"} if reasons else {}
    return {**together, **left, "classes": of_class}


def _delong_of(
    first: Sequence[Predictions], second: Sequence[Predictions], names: list[str]
) -> Any:
    places = [first[0].names.index(name) for name in names]
    one, two = ([run.placed[k] for run in runs for k in places] for runs in (first, second))
    return delong_of_placed(one, two, confidence=CONFIDENCE)


def correct(tests: list[dict[str, Any]]) -> None:
    """Holm's correction over the tests, beside each p-value that there is."""
    defined = [test for test in tests if test["p"] is not None]
    for test, p in zip(defined, holm([test["p"] for test in defined]), strict=True):
        test["p_holm"] = p
        test["significant"] = p < ALPHA


def _run(saved: Saved, name: str) -> dict[str, Any]:
    return {
        "run": name,
        "folder": str(saved.folder),
        "threshold": saved.evaluation.threshold,
        "metrics": {
            metric: {"value": m.value, "low": m.low, "high": m.high}
            for metric, m in saved.evaluation.metrics.items()
        },
        **cost(saved),
    }


def cost(saved: Saved) -> dict[str, float | None]:
    """Wall time in seconds, parameters, and images per second in training; None if not recorded."""
    record = saved.record
    return {
        "seconds": round(sum(record.seconds.values()), 2) if record and record.seconds else None,
        "parameters": _whole(record.network, "parameters") if record else None,
        "trainable": _whole(record.network, "trainable") if record else None,
        "images_per_second": _speed(saved),
    }


def _whole(network: Mapping[str, Any], key: str) -> int | None:
    value = network.get(key)
    return value if isinstance(value, int) else None


def _speed(saved: Saved) -> float | None:
    """Of training, in the median epoch."""
    if saved.history is None or "images_per_second" not in saved.history.columns:
        return None
    known = saved.history["images_per_second"].cast(pl.Float64, strict=False).drop_nulls()
    return round(float(np.median(known.to_numpy())), 2) if len(known) else None
