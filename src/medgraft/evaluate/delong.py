"""Two AUROCs on the same rows without resampling (DeLong).

The variance comes from how much each row contributes to the area. Where patients have
several rows, the contributions of a patient are added up first (Obuchowski), as rows of
one patient are not independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import erfc, sqrt
from statistics import NormalDist
from typing import Any

import numpy as np

from medgraft.errors import ArgumentError, ShapeError, UndefinedMetricError
from medgraft.evaluate import check
from medgraft.evaluate.check import Bools, Floats, Integers, Units


@dataclass(frozen=True)
class Comparison:
    """Two AUROCs and their difference.

    Attributes:
        first: AUROC of the first model.
        second: AUROC of the second model.
        difference: Second minus first.
        error: Standard error of the difference.
        low: Lower end of its interval.
        high: Upper end of its interval.
        p: Chance of a difference at least as large if there were none, two-sided; 1 where
            both models order the rows alike.
    """

    first: float
    second: float
    difference: float
    error: float
    low: float
    high: float
    p: float


def delong(
    truth: Any, first: Any, second: Any, patients: Any = None, *, confidence: float = 0.95
) -> Comparison:
    """Compare the AUROCs of two models on the same rows.

    The normal approximation needs some dozens of rows of each class and areas away from 1;
    `paired` needs neither.

    Args:
        truth: 1 where the row is positive, else 0, shape (N,).
        first: Scores of the first model, shape (N,).
        second: Scores of the second model, shape (N,).
        patients: Whose image each row is, shape (N,); None takes rows as independent.
        confidence: Of the interval.

    Raises:
        UndefinedMetricError: If there are not at least two rows of each class, or only one patient.
        ArgumentError: If a score is NaN or infinite, or `confidence` is not in (0, 1).

    Examples:
        >>> found = delong([0, 0, 0, 1, 1, 1], [1, 2, 4, 3, 5, 6], [2, 4, 5, 1, 3, 6])
        >>> round(found.first, 3), round(found.second, 3), round(found.p, 3)
        (0.889, 0.444, 0.074)
    """
    positive = check.truths(truth)
    units = check.units(patients, len(positive))
    one, other = (
        place(positive, check.scores(score, len(positive), what=what), units)
        for what, score in (("first", first), ("second", second))
    )
    return delong_of_placed([one], [other], confidence=confidence)


def delong_of_mean(
    truth: Any, first: Any, second: Any, patients: Any = None, *, confidence: float = 0.95
) -> Comparison:
    """Compare two models by the mean of the AUROCs of several labels, on the same rows.

    The AUROCs of labels hang together, as they are of the same patients: the variance of
    their mean is made of the variance of each and of the covariance of every two.

    Args:
        truth: 1 or 0 per row and label, shape (N, K); whatever else (NaN, -1) leaves the row
            out of that label.
        first: Scores of the first model, shape (N, K).
        second: Scores of the second model, shape (N, K).
        patients: Whose image each row is, shape (N,); None takes rows as independent.
        confidence: Of the interval.

    Raises:
        UndefinedMetricError: If a label lacks two rows of each class, or there is one patient.
        ArgumentError: If a score is NaN or infinite, or `confidence` is not in (0, 1).
        ShapeError: If the arrays do not fit each other.

    Examples:
        >>> y = [[0, 1], [0, 1], [0, 0], [1, 0], [1, 1], [1, 0]]
        >>> a = [[1, 6], [2, 5], [4, 4], [3, 3], [5, 2], [6, 1]]
        >>> b = [[2, 6], [4, 5], [5, 2], [1, 4], [3, 3], [6, 1]]
        >>> found = delong_of_mean(y, a, b)
        >>> round(found.first, 3), round(found.difference, 3), round(found.p, 3)
        (0.833, -0.167, 0.228)
    """
    values = _table(truth, "truth")
    scores = [_table(score, what) for what, score in (("first", first), ("second", second))]
    for what, score in zip(("first", "second"), scores, strict=True):
        if score.shape != values.shape:
            raise ShapeError(
                f"{what} must have the shape of truth, {values.shape}, got {score.shape}"
            )
    units = check.units(patients, len(values))
    one, other = (
        [place_known(column, score[:, k], units) for k, column in enumerate(values.T)]
        for score in scores
    )
    return delong_of_placed(one, other, confidence=confidence)


@dataclass(frozen=True)
class Placed:
    """The rows of one label, each placed among all rows of the other class by the scores of one model.

    All that a comparison with another model needs: of many models each is placed once.

    Attributes:
        positive: Whether the row is positive, shape (N,).
        right: Share of the other class that the row is ordered rightly against, ties half, (N,).
        area: AUROC; NaN without both classes.
        unit: Number of the patient (or image) of each row, shape (N,).
        units: How many there are, those without a row of this label included.
        unit_name: "patient" or "image".
    """

    positive: Bools
    right: Floats
    area: float
    unit: Integers
    units: int
    unit_name: str


def place_known(truth: Floats, score: Floats, units: Units) -> Placed:
    """Place the rows whose truth is 1 or 0, shapes (N,)."""
    rows = np.flatnonzero((truth == 0) | (truth == 1))
    known = Units(units.of_row[rows], units.count, units.name)
    return place(truth[rows] == 1, check.scores(score[rows], len(rows)), known)


def place(positive: Bools, score: Floats, units: Units) -> Placed:
    """Place every row, by one sort; shapes (N,)."""
    order = np.argsort(score)
    sorted_score = score[order]
    new = np.r_[True, sorted_score[1:] != sorted_score[:-1]][: len(order)]
    starts, run = np.flatnonzero(new), np.cumsum(new) - 1
    ends = np.r_[starts[1:], len(order)][: len(starts)]
    up = np.r_[0, np.cumsum(positive[order])]  # positives before each place
    down = np.arange(len(up)) - up
    of_positives, of_negatives = up[starts] + up[ends], down[starts] + down[ends]
    ups, downs = int(up[-1]), int(down[-1])
    # Twice the rows of the other class that are below: those beside it count once.
    below = np.where(positive[order], of_negatives[run], of_positives[run])
    right = np.empty(len(order))
    others = np.where(positive[order], max(downs, 1), max(ups, 1))
    right[order] = np.where(positive[order], below, 2 * others - below) / (2 * others)
    area = below[positive[order]].sum() / (2 * ups * downs) if ups and downs else np.nan
    return Placed(positive, right, float(area), units.of_row, units.count, units.name)


def delong_of_placed(
    first: Sequence[Placed], second: Sequence[Placed], *, confidence: float = 0.95
) -> Comparison:
    """Compare two models by the mean of the AUROCs of several labels.

    Args:
        first: Each label by the scores of the first model.
        second: The same rows of the same labels by those of the second.
        confidence: Of the interval.

    Raises:
        UndefinedMetricError: If a label lacks two rows of each class, or there is one patient.
        ArgumentError: If `confidence` is not in (0, 1).
    """
    if not 0 < confidence < 1:
        raise ArgumentError(f"confidence must be in (0, 1), got {confidence}")
    for one in first:
        _check_enough(one)
    gains = [other.right - one.right for one, other in zip(first, second, strict=True)]
    pulls = [_pulls(one, gain) for one, gain in zip(first, gains, strict=True)]
    errors = [_error(one, *pull) for one, pull in zip(first, pulls, strict=True)]
    areas = [float(np.mean([one.area for one in model])) for model in (first, second)]
    difference = float(np.mean([b.area - a.area for a, b in zip(first, second, strict=True)]))
    together = np.stack([ups + downs for ups, downs in pulls])
    units = first[0].units
    shared = together @ together.T * units / max(units - 1, 1)
    np.fill_diagonal(shared, np.square(errors))
    error = errors[0] if len(errors) == 1 else sqrt(max(float(shared.mean()), 0.0))
    return _comparison(areas[0], areas[1], difference, error, confidence)


def _check_enough(one: Placed) -> None:
    ups = int(one.positive.sum())
    downs = len(one.positive) - ups
    held = _held(one.unit)
    if min(ups, downs) < 2 or held < 2:
        raise UndefinedMetricError(
            f"delong needs at least 2 rows of each class and 2 {one.unit_name}s, got"
            f" {ups} positive and {downs} negative rows of {held}"
        )


def _table(values: Any, what: str) -> Floats:
    array = check.numbers(values, what)
    if array.ndim != 2 or not array.size:
        raise ShapeError(f"{what} must have shape (N, K), got {array.shape}")
    return array


def _comparison(
    first: float, second: float, difference: float, error: float, confidence: float
) -> Comparison:
    reach = NormalDist().inv_cdf((1 + confidence) / 2) * error
    p = erfc(abs(difference) / error / sqrt(2)) if error > 0 else float(difference == 0)
    return Comparison(first, second, difference, error, difference - reach, difference + reach, p)


def _pulls(one: Placed, gain: Floats) -> tuple[Floats, Floats]:
    """How far each unit pulls the difference, by its positives and its negatives, (units,) each."""
    of_positives, of_negatives = (
        _spread(gain[rows], one.unit[rows], one.units) for rows in (one.positive, ~one.positive)
    )
    return of_positives, of_negatives


def _error(one: Placed, of_positives: Floats, of_negatives: Floats) -> float:
    units = _held(one.unit)
    shared = (of_positives * of_negatives).sum() * units / (units - 1)
    variance = _scaled(of_positives, one.unit[one.positive]) + _scaled(
        of_negatives, one.unit[~one.positive]
    )
    return sqrt(max(variance + 2 * shared, 0.0))  # shared is 0 where no patient has both classes


def _spread(values: Floats, unit: Integers, units: int) -> Floats:
    """Sum over each unit of the distance from the mean, per row of this class, shape (units,)."""
    return np.bincount(unit, weights=values - values.mean(), minlength=units) / len(values)


def _scaled(spread: Floats, unit: Integers) -> float:
    held = _held(unit)
    return float((spread**2).sum() * held / max(held - 1, 1))


def _held(unit: Integers) -> int:
    """How many units have a row."""
    return int(np.count_nonzero(np.bincount(unit)))
