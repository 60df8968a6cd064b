"""Specificity: the share of negative rows that are called negative.

Examples:
    >>> specificity([1, 1, 0, 0], [1, 0, 0, 1])
    0.5
"""

from __future__ import annotations

from medgraft.evaluate.check import Floats
from medgraft.evaluate.metrics import metric
from medgraft.evaluate.sample import Sample, ratio


@metric(
    "specificity",
    better="higher",
    reads="decision",
    needs="a negative row",
    source="TN / (TN + FP)",
)
def specificity(sample: Sample) -> Floats:
    """True negatives among the negatives, shape (R,)."""
    return ratio(sample.true_negative, sample.true_negative + sample.false_positive)
