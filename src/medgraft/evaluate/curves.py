"""The points of curves, for whoever draws them: ROC, precision and recall, calibration.

Bands come from the same resampled patients as the intervals of the metrics. They are
pointwise: at each place of the grid 95 % of the replicates lie inside, not 95 % of the curves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from medgraft.evaluate import bootstrap, check
from medgraft.evaluate.check import Floats, Integers
from medgraft.evaluate.metrics.auroc import auroc
from medgraft.evaluate.metrics.average_precision import average_precision
from medgraft.evaluate.metrics.ece import equal_width
from medgraft.evaluate.sample import Cases, Sample, ratio

GRID = 101
CORNERS = 1000  # of a curve, at most; more cannot be seen and would bloat a figure


@dataclass(frozen=True)
class RocCurve:
    """True against false positive rate.

    Attributes:
        fpr: 1 - specificity at the corners of the curve, rising from 0 to 1, shape (M,).
        tpr: Recall at the same corners, shape (M,).
        grid: False positive rates at which the band is given, shape (G,).
        low: Lower edge of the band of the recall, shape (G,); None without replicates.
        high: Its upper edge, shape (G,); None without replicates.
        auroc: Area under the curve.
    """

    fpr: Floats
    tpr: Floats
    grid: Floats
    low: Floats | None
    high: Floats | None
    auroc: float


@dataclass(frozen=True)
class PrecisionRecallCurve:
    """Precision against recall; a step curve: draw it with ``drawstyle="steps-pre"``.

    Attributes:
        recall: At falling thresholds, rising from 0 to 1, shape (M,).
        precision: At the same thresholds, shape (M,); the first repeats the second.
        grid: Recalls at which the band is given, shape (G,).
        low: Lower edge of the band of the precision, shape (G,); None without replicates.
        high: Its upper edge, shape (G,); None without replicates.
        average_precision: Area under the steps.
        prevalence: Share of positives: the precision of a model that knows nothing.
    """

    recall: Floats
    precision: Floats
    grid: Floats
    low: Floats | None
    high: Floats | None
    average_precision: float
    prevalence: float


@dataclass(frozen=True)
class CalibrationCurve:
    """Observed share of positives against stated probability, in bins that hold rows.

    Attributes:
        predicted: Mean probability in each bin, shape (B,).
        observed: Share of positives in each bin, shape (B,).
        low: Lower end of the interval of `observed`, shape (B,); None without replicates.
        high: Its upper end, shape (B,); None without replicates.
        count: Rows in each bin, shape (B,).
    """

    predicted: Floats
    observed: Floats
    low: Floats | None
    high: Floats | None
    count: Integers


def roc(
    truth: Any, score: Any, patients: Any = None, replicates: int = 1000, *, seed: int = 0
) -> RocCurve:
    """The ROC curve, with a band from resampled patients.

    Args:
        truth: 1 where the row is positive, else 0, shape (N,).
        score: Higher is more likely positive, shape (N,).
        patients: Whose image each row is, shape (N,); None resamples rows.
        replicates: Replicates of the band; 0 for none.
        seed: Of the replicates.

    Raises:
        UndefinedMetricError: If there is only one class.

    Examples:
        >>> curve = roc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], replicates=0)
        >>> curve.fpr, curve.tpr, curve.auroc
        (array([0. , 0. , 0.5, 0.5, 1. ]), array([0. , 0.5, 0.5, 1. , 1. ]), 0.75)
    """
    cases = _cases(truth, score, patients)
    area = auroc(cases.truth, cases.score)
    false, true = (counts[0] for counts in _swept(bootstrap.once(cases)))
    corners = _corners(false, true)
    grid = np.linspace(0, 1, GRID)
    low, high = _band(cases, lambda sample: _recall_at(sample, grid), replicates, seed)
    return RocCurve(false[corners] / false[-1], true[corners] / true[-1], grid, low, high, area)


def precision_recall(
    truth: Any, score: Any, patients: Any = None, replicates: int = 1000, *, seed: int = 0
) -> PrecisionRecallCurve:
    """The precision-recall curve, with a band from resampled patients.

    Args:
        truth: 1 where the row is positive, else 0, shape (N,).
        score: Higher is more likely positive, shape (N,).
        patients: Whose image each row is, shape (N,); None resamples rows.
        replicates: Replicates of the band; 0 for none.
        seed: Of the replicates.

    Raises:
        UndefinedMetricError: If no row is positive.

    Examples:
        >>> curve = precision_recall([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], replicates=0)
        >>> curve.recall, curve.precision.round(2)
        (array([0. , 0.5, 0.5, 1. , 1. ]), array([1.  , 1.  , 0.5 , 0.67, 0.5 ]))
    """
    cases = _cases(truth, score, patients)
    area = average_precision(cases.truth, cases.score)
    false, true = (counts[0] for counts in _swept(bootstrap.once(cases)))
    precision = true[1:] / (true[1:] + false[1:])
    kept = _thinned(np.arange(len(true)))
    grid = np.linspace(0, 1, GRID)
    low, high = _band(cases, lambda sample: _precision_at(sample, grid), replicates, seed)
    return PrecisionRecallCurve(
        (true / true[-1])[kept],
        np.r_[precision[0], precision][kept],
        grid,
        low,
        high,
        area,
        float(cases.truth.mean()),
    )


def calibration(
    truth: Any,
    probability: Any,
    patients: Any = None,
    replicates: int = 1000,
    *,
    bins: int = 10,
    seed: int = 0,
) -> CalibrationCurve:
    """The reliability diagram: bins of equal width, empty ones left out.

    Args:
        truth: 1 where the row is positive, else 0, shape (N,).
        probability: In [0, 1], shape (N,).
        patients: Whose image each row is, shape (N,); None resamples rows.
        replicates: Replicates of the intervals; 0 for none.
        bins: How many bins.
        seed: Of the replicates.

    Examples:
        >>> curve = calibration([0, 1, 1], [0.1, 0.75, 0.85], replicates=0, bins=2)
        >>> curve.predicted, curve.observed, curve.count
        (array([0.1, 0.8]), array([0., 1.]), array([1, 2]))
    """
    cases = _cases(truth, probability, patients)
    check.in_unit_range(cases.score, "probability")
    bin_of = equal_width(cases.score, bins)
    count = np.bincount(bin_of, minlength=bins)
    held = np.flatnonzero(count)
    predicted = np.bincount(bin_of, weights=cases.score, minlength=bins)[held] / count[held]
    observed = np.bincount(bin_of, weights=cases.truth, minlength=bins)[held] / count[held]

    def shares(sample: Sample) -> Floats:
        positive = sample.totals(sample.truth.astype(float), bin_of, bins)
        return ratio(positive, sample.totals(np.ones(len(bin_of)), bin_of, bins))[:, held]

    low, high = _band(cases, shares, replicates, seed)
    return CalibrationCurve(predicted, observed, low, high, count[held])


def _cases(truth: Any, score: Any, patients: Any) -> Cases:
    positive = check.truths(truth)
    rows = len(positive)
    units = check.units(patients, rows)
    return Cases(
        positive, check.scores(score, rows), np.zeros(rows, np.bool_), units.of_row, units.count
    )


def _swept(sample: Sample) -> tuple[Floats, Floats]:
    """False and true positives as the threshold falls past each distinct score.

    Two arrays of shape (R, distinct scores + 1), from nothing called to everything called.
    """
    order = np.argsort(-sample.score, kind="stable")
    falling = sample.score[order]
    ends = np.flatnonzero(np.r_[falling[1:] != falling[:-1], True])
    weights = sample.weights[:, order]
    true = np.cumsum(weights * sample.truth[order], axis=1)[:, ends]
    called = np.cumsum(weights, axis=1)[:, ends]
    nothing = np.zeros((len(weights), 1))
    return np.hstack([nothing, called - true]), np.hstack([nothing, true])


def _corners(false: Floats, true: Floats) -> Integers:
    """Where the ROC curve turns: points on a straight piece add nothing to the picture."""
    right, up = np.diff(false), np.diff(true)
    turns = right[1:] * up[:-1] != right[:-1] * up[1:]
    return _thinned(np.flatnonzero(np.r_[True, turns, True]))


def _thinned(points: Integers) -> Integers:
    if len(points) <= CORNERS:
        return points
    return points[np.linspace(0, len(points) - 1, CORNERS).round().astype(np.int64)]


def _recall_at(sample: Sample, grid: Floats) -> Floats:
    """Recall at each false positive rate of the grid, between corners on a straight line, (R, G)."""
    false, true = _swept(sample)
    wanted = grid * false[:, -1:]
    after = _first(false, wanted, beyond=True)  # the corner past the wanted rate, if any
    last = false.shape[1] - 1
    before, after = after - 1, np.minimum(after, last)
    x0, x1 = np.take_along_axis(false, before, 1), np.take_along_axis(false, after, 1)
    y0, y1 = np.take_along_axis(true, before, 1), np.take_along_axis(true, after, 1)
    along = np.divide(wanted - x0, x1 - x0, out=np.zeros_like(x0), where=x1 > x0)
    defined = (false[:, -1:] > 0) & (true[:, -1:] > 0)
    return ratio(y0 + along * (y1 - y0), np.where(defined, true[:, -1:], 0) + np.zeros_like(x0))


def _precision_at(sample: Sample, grid: Floats) -> Floats:
    """Precision at the highest threshold that reaches each recall of the grid, (R, G)."""
    false, true = _swept(sample)
    # The smallest step up is one row; half of it absorbs the rounding of grid * total.
    wanted = np.maximum(grid * true[:, -1:] - 1e-6, 1e-6)
    at = np.minimum(_first(true, wanted, beyond=False), true.shape[1] - 1)
    found, wrong = np.take_along_axis(true, at, 1), np.take_along_axis(false, at, 1)
    return ratio(found, np.where(true[:, -1:] > 0, found + wrong, 0))


def _first(rising: Floats, wanted: Floats, *, beyond: bool) -> Integers:
    """For each row the position of the first value at or beyond each wanted one.

    One search for all rows: each row is lifted above the one before it.
    """
    rows, width = rising.shape
    lift = (rising[:, -1].max() + 1) * np.arange(rows)[:, None]
    found = np.searchsorted(
        (rising + lift).ravel(), wanted + lift, side="right" if beyond else "left"
    )
    return np.asarray(found - width * np.arange(rows)[:, None], dtype=np.int64)


def _band(
    cases: Cases, curve: Callable[[Sample], Floats], replicates: int, seed: int
) -> tuple[Floats, Floats] | tuple[None, None]:
    if replicates < 1 or cases.units < 2:
        return None, None
    drawn = bootstrap.resample(cases, curve, replicates=replicates, seed=seed)
    empty = np.asarray(np.isnan(drawn).all(axis=0))
    drawn[:, empty] = 0.0
    low, high = np.nanquantile(drawn, [0.025, 0.975], axis=0)
    low[empty] = high[empty] = np.nan
    return low, high
