"""Precision (positive predictive value): the share of rows called positive that are.

It depends on the prevalence: a test set enriched with positives gives a higher precision
than the clinic will see.

Examples:
    >>> precision([1, 1, 0, 0], [1, 1, 1, 1])
    0.5
"""

from __future__ import annotations

from medgraft.evaluate.check import Floats
from medgraft.evaluate.metrics import metric
from medgraft.evaluate.sample import Sample, ratio


@metric(
    "precision",
    better="higher",
    reads="decision",
    needs="a row that is called positive",
    source="TP / (TP + FP)",
)
def precision(sample: Sample) -> Floats:
    """True positives among the rows called positive, shape (R,)."""
    return ratio(sample.true_positive, sample.true_positive + sample.false_positive)
