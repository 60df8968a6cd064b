"""Recall (sensitivity): the share of positive rows that are called positive.

Examples:
    >>> recall([1, 1, 0, 0], [1, 0, 0, 0])
    0.5
"""

from __future__ import annotations

from medgraft.evaluate.check import Floats
from medgraft.evaluate.metrics import metric
from medgraft.evaluate.sample import Sample, ratio


@metric(
    "recall",
    better="higher",
    reads="decision",
    needs="a positive row",
    source="TP / (TP + FN)",
)
def recall(sample: Sample) -> Floats:
    """True positives among the positives, shape (R,)."""
    return ratio(sample.true_positive, sample.true_positive + sample.false_negative)
