"""The curves of a report: saved predictions in, plain points out.

This is the one place where the report asks `medgraft.evaluate` to compute.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from medgraft.errors import ArgumentError, ShapeError, TableError, UndefinedMetricError
from medgraft.evaluate import curves as compute
from medgraft.evaluate.metrics.ece import equal_width
from medgraft.report.contracts import Evaluation, Matrix, Measured, Metrics
from medgraft.report.figures.curve import BANDS, Band, Curve, Reliability
from medgraft.report.figures.learning import History
from medgraft.report.figures.penalty import Path
from medgraft.report.figures.spread import Spread
from medgraft.report.saved import Saved
from medgraft.report.words import label, number

BINS = 10


@dataclass(frozen=True)
class Lines:
    """All curves of one run; a class whose rows do not define a curve is left out."""

    roc: tuple[Curve, ...]
    precision_recall: tuple[Curve, ...]
    calibration: tuple[Reliability, ...]


@dataclass(frozen=True)
class _Rows:
    """The rows of one class whose label is known."""

    name: str
    truth: np.ndarray
    probability: np.ndarray
    patients: list[str] | None


def lines(saved: Saved) -> Lines:
    """Compute the curves of every class that is shown.

    Raises:
        TableError: If predictions.parquet holds something that is no truth or no probability.
    """
    evaluation = saved.evaluation
    rows = [_rows(saved, name) for name in evaluation.shown]
    defined = [one for one in rows if len(one.truth) and 0 < one.truth.sum() < len(one.truth)]
    replicates = evaluation.replicates if len(defined) <= BANDS else 0
    seed = saved.record.seed or 0 if saved.record is not None else 0
    try:
        return Lines(
            roc=tuple(_roc(evaluation, one, replicates, seed) for one in defined),
            precision_recall=tuple(
                _precision_recall(evaluation, one, replicates, seed) for one in defined
            ),
            calibration=tuple(
                _calibration(evaluation, one, replicates, seed) for one in rows if len(one.truth)
            ),
        )
    except (ArgumentError, ShapeError, UndefinedMetricError) as error:
        path = saved.folder / "predictions.parquet"
        raise TableError(f"'{path}' holds what cannot be drawn: {error}") from error


def _rows(saved: Saved, name: str) -> _Rows:
    frame = saved.predictions.filter(pl.col(f"y_{name}").is_in([0, 1]))
    known = saved.evaluation.unit == "patient" and "patient_id" in frame.columns
    return _Rows(
        name=name,
        truth=frame[f"y_{name}"].to_numpy().astype(int),
        probability=frame[f"p_{name}"].to_numpy().astype(float),
        patients=frame["patient_id"].cast(pl.String).to_list() if known else None,
    )


def _roc(evaluation: Evaluation, rows: _Rows, replicates: int, seed: int) -> Curve:
    found = compute.roc(rows.truth, rows.probability, rows.patients, replicates, seed=seed)
    return Curve(
        name=rows.name,
        score=_score(evaluation, rows.name, "auroc"),
        x=found.fpr,
        y=found.tpr,
        band=_band(found.grid, found.low, found.high),
        point=_point(evaluation, rows.name, "specificity", "recall", flip=True),
    )


def _precision_recall(evaluation: Evaluation, rows: _Rows, replicates: int, seed: int) -> Curve:
    found = compute.precision_recall(
        rows.truth, rows.probability, rows.patients, replicates, seed=seed
    )
    return Curve(
        name=rows.name,
        score=_score(evaluation, rows.name, "average_precision"),
        x=found.recall,
        y=found.precision,
        band=_band(found.grid, found.low, found.high),
        point=_point(evaluation, rows.name, "recall", "precision"),
        chance=found.prevalence,
        stepped=True,
    )


def _calibration(evaluation: Evaluation, rows: _Rows, replicates: int, seed: int) -> Reliability:
    found = compute.calibration(
        rows.truth, rows.probability, rows.patients, replicates, bins=BINS, seed=seed
    )
    return Reliability(
        name=rows.name,
        score=_score(evaluation, rows.name, "ece"),
        left=equal_width(found.predicted, BINS) / BINS,
        width=1 / BINS,
        predicted=found.predicted,
        observed=found.observed,
        low=found.low,
        high=found.high,
        counts=found.count,
    )


def _band(grid: np.ndarray, low: np.ndarray | None, high: np.ndarray | None) -> Band | None:
    return None if low is None or high is None else Band(grid, low, high)


def _score(evaluation: Evaluation, name: str, metric: str) -> str:
    """The value that evaluation.json gives, so that figure and table cannot differ."""
    measured = evaluation.of_class(name).get(metric)
    return "" if measured is None or measured.value is None else number(measured.value)


def _point(
    evaluation: Evaluation, name: str, across: str, up: str, *, flip: bool = False
) -> tuple[float, float] | None:
    """Where the operating threshold lies; None where the likeliest class wins instead."""
    if evaluation.threshold_of(name) is None:
        return None
    metrics = evaluation.of_class(name)
    x, y = _value(metrics, across), _value(metrics, up)
    if x is None or y is None:
        return None
    return (1 - x if flip else x), y


def _value(metrics: Metrics, name: str) -> float | None:
    measured = metrics.get(name)
    return None if measured is None else measured.value


def shares(counts: Matrix) -> Matrix:
    """Each count over the sum of its row; a row of zeros stays zero.

    Examples:
        >>> shares([[3, 1], [0, 0]])
        [[0.75, 0.25], [0.0, 0.0]]
    """
    return [[n / (sum(row) or 1) for n in row] for row in counts]


def tables_of_labels(evaluation: Evaluation) -> Mapping[str, Matrix] | None:
    """The 2×2 table of each independent label; None for a single one, which is yes or no."""
    found = evaluation.confusion
    if len(evaluation.names) == 1:
        return None
    if isinstance(found, dict):
        return found
    if evaluation.kind == "independent" and found and isinstance(found[0][0], list):
        return dict(zip(evaluation.names, found, strict=True))
    return None


def history(saved: Saved) -> History | None:
    """The learning curves, or None where nothing was trained or no epoch was finished."""
    best = saved.record.best.get("epoch") if saved.record is not None else None
    return learning_curves(saved.history, best)


def learning_curves(frame: pl.DataFrame | None, best: object) -> History | None:
    """The columns of history.csv that are drawn, and the epoch whose weights were kept."""
    if frame is None or frame.is_empty() or "epoch" not in frame.columns:
        return None

    def columns(names: Mapping[str, str]) -> dict[str, list[float | None]]:
        held = {shown: frame[name] for name, shown in names.items() if name in frame.columns}
        return {
            shown: values.cast(pl.Float64, strict=False).fill_nan(None).to_list()
            for shown, values in held.items()
            if values.null_count() < len(values)
        }

    groups = {name: name.removeprefix("rate_") for name in frame.columns if name[:5] == "rate_"}
    known = ("dice", "accuracy", "auroc")
    metric = next((one for one in known if f"{one}_val" in frame.columns), "auroc")
    return History(
        epoch=columns({"epoch": "epoch"})["epoch"],
        loss=columns({"loss": "training", "loss_val": "validation"}),
        score=columns({f"{metric}_val": f"validation {label(metric)}"}),
        rate=columns(groups or {"rate": "rate"}),
        best=float(best) if isinstance(best, int | float) else None,
        metric=label(metric),
    )


def spreads(saved: Saved) -> list[tuple[str, str, dict[str, Spread]]]:
    """Of a run that learnt masks: measure, unit, and the values of each image by class."""
    evaluation, frame = saved.evaluation, saved.predictions
    unit = {"dice": "", "hd95": evaluation.distance_unit or "voxel"}
    found = []
    for measure in unit:
        if measure not in frame.columns or measure not in evaluation.metrics:
            continue
        classes = {}
        for name in evaluation.names:
            values = frame.filter(pl.col("class") == name)[measure].to_list()
            measured = evaluation.classes.get(name, {}).get(measure, Measured())
            classes[name] = Spread(values, measured.value, measured.low, measured.high)
        found.append((measure, unit[measure], classes))
    return found


def penalties(saved: Saved) -> dict[str, Path]:
    """By label, what was tried for a head that was fitted; empty where nothing was tried."""
    frame = saved.history
    if frame is None or not {"c", "loss_cv", "loss_cv_spread"} <= set(frame.columns):
        return {}
    if "label" not in frame.columns:
        frame = frame.with_columns(label=pl.lit("classes"))
    fitted = (saved.record.network.get("fitted") or {}) if saved.record is not None else {}
    return {
        str(name): Path(
            c=part["c"].to_list(),
            loss=part["loss_cv"].to_list(),
            spread=part["loss_cv_spread"].fill_null(0.0).to_list(),
            chosen=fitted.get(name, {}).get("c"),
        )
        for (name,), part in frame.group_by("label", maintain_order=True)
        if len(part) > 1
    }


def table_of_classes(evaluation: Evaluation) -> tuple[list[str], Matrix] | None:
    """Names and counts of the confusion matrix of exclusive classes, or None without one.

    One label that is yes or no is a matrix of two classes as well.
    """
    found, names = evaluation.confusion, evaluation.names
    if isinstance(found, dict):
        found = found.get(names[0]) if len(names) == 1 else None
    if found is None:
        return None
    shown = [f"not {names[0]}", names[0]] if len(names) == 1 else names
    counts = [[float(n) for n in row if not isinstance(n, list)] for row in found]
    return (shown, counts) if all(len(row) == len(shown) for row in counts) else None
