"""Metrics: numbers that judge the scores or decisions of one label.

To add one, add a module to this folder with a function that takes a `Sample` (R ways of
counting the same N rows) and returns R values, NaN where a replicate does not define it. That
one definition gives the value, its interval and paired differences. Its contract is checked
by ``tests/evaluate/test_metrics.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from medgraft.errors import UndefinedMetricError
from medgraft.evaluate import check
from medgraft.evaluate.check import Bools, Floats
from medgraft.evaluate.sample import Cases, Counts, Sample
from medgraft.registry import Registry

Formula = Callable[[Sample], Floats]
Reads = Literal["decision", "score", "probability"]


@dataclass(frozen=True)
class Metric:
    """One number about one label; call it with the truth and what it reads.

    Attributes:
        name: As in `evaluation.json`.
        better: Whether a higher or a lower value is better.
        range: Least and greatest value it can take.
        reads: "decision" (0 or 1), "score" (any finite number, higher is more likely positive)
            or "probability" (a score in [0, 1]).
        needs: What the rows must hold for it to be defined, in words.
        source: Where it is defined.
        formula: From R ways of counting the rows to R values, NaN where undefined.
    """

    name: str
    better: Literal["higher", "lower"]
    range: tuple[float, float]
    reads: Reads
    needs: str
    source: str
    formula: Formula

    def __call__(self, truth: Any, prediction: Any, *, weights: Any = None) -> float:
        """The value for these rows.

        Args:
            truth: 1 where the row is positive, else 0, shape (N,).
            prediction: What the metric reads, shape (N,).
            weights: How often each row counts, shape (N,); once where not given.

        Raises:
            UndefinedMetricError: If these rows do not define it, such as an AUROC of one class.
            ArgumentError: If the truth is not 0 and 1, or the prediction is not what it reads.
            ShapeError: If lengths differ, or there are no rows.
        """
        positive = check.truths(truth)
        rows = len(positive)
        if self.reads == "decision":
            called = check.truths(prediction, "decision")
            score = check.scores(prediction, rows, what="decision")
        else:
            score = check.scores(prediction, rows, probability=self.reads == "probability")
            called = np.zeros(rows, dtype=np.bool_)
        cases = Cases(positive, score, called, np.arange(rows, dtype=np.int64), rows)
        counts = np.ones(rows) if weights is None else check.scores(weights, rows, what="weights")
        value = float(self.formula(Sample(cases, Counts.of(counts[None])))[0])
        if np.isnan(value):
            raise UndefinedMetricError(self.reason(positive, called))
        return value

    def reason(self, truth: Bools, decision: Bools) -> str:
        """Why these rows do not define it."""
        return f"{self.name} needs {self.needs}; {_describe(truth, decision, self.reads)}"


def _describe(truth: Bools, decision: Bools, reads: Reads) -> str:
    rows, positives = len(truth), int(truth.sum())
    if not rows:
        return "there are no rows"
    if positives in (0, rows):
        found = f"the {rows} rows are all {'positive' if positives else 'negative'}"
    else:
        found = f"of the {rows} rows {positives} are positive and {rows - positives} negative"
    if reads == "decision" and not decision.any():
        found += ", and none is called positive"
    return found


metrics: Registry[Metric] = Registry("metric", __name__)


def metric(
    name: str,
    *,
    better: Literal["higher", "lower"],
    range: tuple[float, float] = (0.0, 1.0),  # noqa: A002 (the word that tables and reports use)
    reads: Reads,
    needs: str,
    source: str,
) -> Callable[[Formula], Metric]:
    """Register a formula as the metric `name`."""

    def register(formula: Formula) -> Metric:
        return metrics.add(name, Metric(name, better, range, reads, needs, source, formula))

    return register
