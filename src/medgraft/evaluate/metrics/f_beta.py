"""F-beta: precision and recall in one number, recall weighing beta times as much.

Written in counts, (1 + b²) TP / ((1 + b²) TP + b² FN + FP), it is 0 rather than undefined
where positives exist and none is called positive.

Examples:
    One of two positives found, no false alarm: precision 1, recall 0.5.

    >>> round(f1([1, 1, 0, 0], [1, 0, 0, 0]), 4)
    0.6667
    >>> round(f2([1, 1, 0, 0], [1, 0, 0, 0]), 4)
    0.5556
    >>> round(f05([1, 1, 0, 0], [1, 0, 0, 0]), 4)
    0.8333
"""

from __future__ import annotations

from medgraft.evaluate.check import Floats
from medgraft.evaluate.metrics import Metric, metric
from medgraft.evaluate.sample import Sample, ratio


def _f_beta(name: str, beta: float) -> Metric:
    square = beta * beta

    @metric(
        name,
        better="higher",
        reads="decision",
        needs="a row that is positive or is called positive",
        source="van Rijsbergen 1979, Information Retrieval, chapter 7",
    )
    def formula(sample: Sample) -> Floats:
        """(1 + b²) TP / ((1 + b²) TP + b² FN + FP), with the beta b of its name, shape (R,)."""
        hits = (1 + square) * sample.true_positive
        return ratio(hits, hits + square * sample.false_negative + sample.false_positive)

    return formula


f1 = _f_beta("f1", 1.0)
f2 = _f_beta("f2", 2.0)
f05 = _f_beta("f0.5", 0.5)
