"""AUROC: the chance that a positive row scores higher than a negative one, ties counting half.

It judges the order of the scores only: it says nothing about the threshold or about whether
a probability of 0.9 means nine in ten.

Examples:
    >>> auroc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    >>> auroc([0, 1], [0.5, 0.5])
    0.5
    >>> auroc([1, 1, 1], [0.2, 0.4, 0.9])
    Traceback (most recent call last):
    medgraft.errors.UndefinedMetricError: auroc needs both classes; the 3 rows are all positive
"""

from __future__ import annotations

import numpy as np

from medgraft.evaluate.check import Floats
from medgraft.evaluate.metrics import metric
from medgraft.evaluate.sample import Sample, ratio


@metric(
    "auroc",
    better="higher",
    reads="score",
    needs="both classes",
    source="Hanley and McNeil 1982; the statistic of Mann and Whitney 1947",
)
def auroc(sample: Sample) -> Floats:
    """Area under the ROC curve, shape (R,)."""
    ranked = sample.ranked
    positives, negatives = ranked.positives, ranked.rows - ranked.positives
    # Each positive beats all rows below it and half of those beside it; of these pairs,
    # positives² / 2 are of positives with positives (or with themselves).
    beaten = np.multiply(ranked.below + ranked.up_to, ranked.positive, dtype=np.float64)
    return ratio(beaten.sum(axis=1) - positives**2, 2 * positives * negatives)
