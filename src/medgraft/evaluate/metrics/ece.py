"""Expected calibration error: how far stated probabilities are from observed shares; lower is better.

Rows are put into 15 bins of equal width by their probability, the first [0, 1/15] and each
other one open below, (k/15, (k+1)/15]. In each bin the mean probability is compared with the
share of positives; the gaps are averaged, weighted by the rows in the bin. It is biased
upwards on few rows, and depends on the bins: `calibration_error(..., adaptive=True)` uses
bins of equal count. It rewards a model that always answers the prevalence, so read it beside
the AUROC.

Examples:
    >>> round(ece([1, 0, 1, 1], [0.9, 0.1, 0.9, 0.9]), 4)
    0.1
"""

from __future__ import annotations

from typing import Any

import numpy as np

from medgraft.evaluate import check
from medgraft.evaluate.check import Floats, Integers
from medgraft.evaluate.metrics import metric
from medgraft.evaluate.sample import Sample, ratio

BINS = 15  # as in Guo et al. 2017


@metric(
    "ece",
    better="lower",
    reads="probability",
    needs="a row",
    source="Naeini et al. 2015; 15 bins as in Guo et al. 2017, arXiv:1706.04599",
)
def ece(sample: Sample) -> Floats:
    """Mean absolute gap over bins of equal width, shape (R,)."""
    # The weight of a bin cancels against the means inside it: only the sum of truth minus
    # probability in each bin is needed.
    gap = sample.totals(sample.truth - sample.score, equal_width(sample.score), BINS)
    return ratio(np.abs(gap).sum(axis=1), sample.rows)


def equal_width(probability: Floats, bins: int = BINS) -> Integers:
    """Number of the bin of each probability, shape (N,).

    Examples:
        >>> equal_width(np.array([0.0, 0.1, 0.25, 0.5, 1.0]), bins=4)
        array([0, 0, 0, 1, 3])
    """
    return np.clip(np.ceil(probability * bins).astype(np.int64) - 1, 0, bins - 1)


def equal_count(probability: Floats, bins: int = BINS) -> Integers:
    """Number of the bin of each probability, shape (N,), bins of about equal count.

    Equal probabilities share a bin, so there may be fewer bins than asked for.

    Examples:
        >>> equal_count(np.array([0.1, 0.2, 0.2, 0.9]), bins=2)
        array([0, 0, 0, 1])
    """
    order = np.sort(probability)
    first = np.searchsorted(order, probability, side="left")
    return (first * bins // len(order)).astype(np.int64)


def calibration_error(
    truth: Any, probability: Any, *, bins: int = BINS, adaptive: bool = False
) -> float:
    """The same error with other bins.

    Args:
        truth: 1 where the row is positive, else 0, shape (N,).
        probability: In [0, 1], shape (N,).
        bins: How many.
        adaptive: Bins of equal count instead of equal width.

    Returns:
        The error, in [0, 1]; lower is better.

    Examples:
        >>> round(calibration_error([0, 1, 0, 1], [0.2, 0.4, 0.6, 0.8], bins=2), 4)
        0.2
        >>> round(calibration_error([0, 1, 0, 1], [0.2, 0.4, 0.6, 0.8], bins=4, adaptive=True), 4)
        0.4
    """
    positive = check.truths(truth)
    score = check.scores(probability, len(positive), probability=True, what="probability")
    bin_of = (equal_count if adaptive else equal_width)(score, bins)
    return float(np.abs(np.bincount(bin_of, weights=positive - score)).sum() / len(score))
