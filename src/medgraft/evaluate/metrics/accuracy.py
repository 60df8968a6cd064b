"""Accuracy: the share of rows that are called what they are.

With few positives it says little: calling every row negative at 1 % prevalence gives 0.99.

Examples:
    >>> accuracy([1, 1, 0, 0], [1, 0, 0, 0])
    0.75
"""

from __future__ import annotations

from medgraft.evaluate.check import Floats
from medgraft.evaluate.metrics import metric
from medgraft.evaluate.sample import Sample, ratio


@metric(
    "accuracy",
    better="higher",
    reads="decision",
    needs="a row",
    source="(TP + TN) / N",
)
def accuracy(sample: Sample) -> Floats:
    """Share of rows on the diagonal of the confusion matrix, shape (R,)."""
    return ratio(sample.true_positive + sample.true_negative, sample.rows)
