"""Brier score: the mean squared distance between probability and truth; lower is better.

It judges order and calibration together. Always answering 0.5 gives 0.25; always answering
the prevalence p gives p (1 - p), so compare only on the same rows.

Examples:
    >>> brier([1, 0], [0.75, 0.5])
    0.15625
"""

from __future__ import annotations

from medgraft.evaluate.check import Floats
from medgraft.evaluate.metrics import metric
from medgraft.evaluate.sample import Sample, ratio


@metric(
    "brier",
    better="lower",
    reads="probability",
    needs="a row",
    source="Brier 1950, Monthly Weather Review 78; one class, range 0 to 1",
)
def brier(sample: Sample) -> Floats:
    """Mean squared error of the probability, shape (R,)."""
    return ratio(sample.total((sample.score - sample.truth) ** 2), sample.rows)
