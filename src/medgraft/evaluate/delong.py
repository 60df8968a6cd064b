"""Two AUROCs on the same rows without resampling (DeLong).

The variance comes from how much each row contributes to the area. Where patients have
several rows, the contributions of a patient are added up first (Obuchowski), as rows of
one patient are not independent.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import erfc, sqrt
from statistics import NormalDist
from typing import Any

import numpy as np

from medgraft.errors import ArgumentError, ShapeError, UndefinedMetricError
from medgraft.evaluate import check
from medgraft.evaluate.check import Bools, Floats, Integers
from medgraft.evaluate.metrics.auroc import auroc


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
    if not 0 < confidence < 1:
        raise ArgumentError(f"confidence must be in (0, 1), got {confidence}")
    positive = check.truths(truth)
    scores = [
        check.scores(score, len(positive), what=what)
        for what, score in (("first", first), ("second", second))
    ]
    units = check.units(patients, len(positive))
    fewest = int(min(positive.sum(), (~positive).sum()))
    if fewest < 2 or units.count < 2:
        raise UndefinedMetricError(
            f"delong needs at least 2 rows of each class and 2 {units.name}s, got"
            f" {int(positive.sum())} positive and {int((~positive).sum())} negative rows of"
            f" {units.count}"
        )
    areas = [auroc(positive, score) for score in scores]
    error = _error(positive, scores[0], scores[1], units.of_row, units.count)
    difference = areas[1] - areas[0]
    return _comparison(areas[0], areas[1], difference, error, confidence)


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
    found, pulls = [], np.zeros((values.shape[1], units.count))
    for label, column in enumerate(values.T):
        rows = np.flatnonzero((column == 0) | (column == 1))
        of_row = units.of_row[rows]
        one, other = (score[rows, label] for score in scores)
        known = None if patients is None else of_row
        found.append(delong(column[rows], one, other, known, confidence=confidence))
        pulls[label] = sum(_pulls(column[rows] == 1, one, other, of_row, units.count))
    together = pulls @ pulls.T * units.count / (units.count - 1)
    np.fill_diagonal(together, [one.error**2 for one in found])
    return _comparison(
        float(np.mean([one.first for one in found])),
        float(np.mean([one.second for one in found])),
        float(np.mean([one.difference for one in found])),
        sqrt(max(float(together.mean()), 0.0)),
        confidence,
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


def _pulls(
    positive: Bools, first: Floats, second: Floats, unit: Integers, units: int
) -> tuple[Floats, Floats]:
    """How far each unit pulls the difference, by its positives and its negatives, (units,) each."""
    gain = _contributions(positive, second) - _contributions(positive, first)
    return (
        _spread(gain[positive], unit[positive], units),
        _spread(gain[~positive], unit[~positive], units),
    )


def _error(positive: Bools, first: Floats, second: Floats, unit: Integers, units: int) -> float:
    of_positives, of_negatives = _pulls(positive, first, second, unit, units)
    shared = (of_positives * of_negatives).sum() * units / (units - 1)
    variance = _scaled(of_positives, unit[positive]) + _scaled(of_negatives, unit[~positive])
    return sqrt(max(variance + 2 * shared, 0.0))  # shared is 0 where no patient has both classes


def _spread(values: Floats, unit: Integers, units: int) -> Floats:
    """Sum over each unit of the distance from the mean, per row of this class, shape (units,)."""
    return np.bincount(unit, weights=values - values.mean(), minlength=units) / len(values)


def _scaled(spread: Floats, unit: Integers) -> float:
    held = len(np.unique(unit))
    return float((spread**2).sum() * held / max(held - 1, 1))


def _contributions(positive: Bools, score: Floats) -> Floats:
    """Share of the other class that each row is ordered rightly against, ties half, shape (N,)."""
    up, down = np.sort(score[positive]), np.sort(score[~positive])
    right = np.empty(len(score))
    right[positive] = _below(down, score[positive])
    right[~positive] = 1 - _below(up, score[~positive])
    return right


def _below(others: Floats, score: Floats) -> Floats:
    left = np.searchsorted(others, score, side="left")
    right = np.searchsorted(others, score, side="right")
    return np.asarray((left + right) / (2 * len(others)))
