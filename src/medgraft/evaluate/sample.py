"""The rows of one label, and many weighted views of them.

A metric is written once, on a `Sample`: R ways of counting the same rows. The value itself
is the sample in which every row counts once (R = 1); the bootstrap is the sample in which
replicate r counts the rows of each patient as often as it drew that patient.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from medgraft.evaluate.check import Bools, Floats, Integers


@dataclass(frozen=True)
class Cases:
    """The rows that say something about one label.

    Attributes:
        truth: Whether the row is positive, shape (N,).
        score: Higher means more likely positive, shape (N,), finite.
        decision: Whether the row is called positive at the operating threshold, shape (N,).
        unit: Number of the patient (or image) of each row, shape (N,), in [0, units).
        units: How many patients (or images) the bootstrap draws from; some may have no row here.
    """

    truth: Bools
    score: Floats
    decision: Bools
    unit: Integers
    units: int

    @cached_property
    def ranking(self) -> Ranking:
        """The rows in order of their score."""
        return Ranking.of(self.truth, self.score)


@dataclass(frozen=True)
class Ranking:
    """Rows in rising order of score, and the runs of equal scores that hold a positive.

    G is the number of distinct scores that at least one positive row has.

    Attributes:
        order: Rows by rising score, shape (N,).
        start: Position in `order` at which each run begins, shape (G,).
        end: Position one past its end, shape (G,).
        positive: Positions in `order` of the positive rows, shape (number of positives,).
        run: Where in `positive` each run begins, shape (G,).
    """

    order: Integers
    start: Integers
    end: Integers
    positive: Integers
    run: Integers

    @classmethod
    def of(cls, truth: Bools, score: Floats) -> Ranking:
        """Sort once; every replicate uses it."""
        order = np.argsort(score, kind="stable")
        sorted_score, sorted_truth = score[order], truth[order]
        starts = np.flatnonzero(np.r_[True, sorted_score[1:] != sorted_score[:-1]])
        ends = np.r_[starts[1:], len(order)]
        positives = np.add.reduceat(sorted_truth.astype(np.int64), starts)
        held = positives > 0
        first = np.cumsum(positives[held]) - positives[held]
        return cls(order, starts[held], ends[held], np.flatnonzero(sorted_truth), first)


@dataclass(frozen=True)
class Ranked:
    """What each replicate counts at each distinct score of a positive, shapes (R, G).

    Attributes:
        positive: Weight of the positives with that score.
        below: Weight of all rows with a lower score.
        up_to: Weight of all rows with that score or a lower one.
        rows: Weight of all rows, shape (R,).
    """

    positive: Floats
    below: Floats
    up_to: Floats
    rows: Floats


@dataclass(frozen=True)
class Sample:
    """R ways of counting the same rows.

    Attributes:
        cases: The rows, N of them, of P patients.
        counts: How often each replicate counts each patient, shape (R, P).
    """

    cases: Cases
    counts: Floats

    @property
    def truth(self) -> Bools:
        """Whether the row is positive, shape (N,)."""
        return self.cases.truth

    @property
    def score(self) -> Floats:
        """Higher means more likely positive, shape (N,)."""
        return self.cases.score

    @property
    def decision(self) -> Bools:
        """Whether the row is called positive, shape (N,)."""
        return self.cases.decision

    @property
    def weights(self) -> Floats:
        """How often each replicate counts each row, shape (R, N): the slow but general way."""
        return np.take(self.counts, self.cases.unit, axis=1)

    def totals(self, values: Floats, group: Integers, groups: int) -> Floats:
        """Weighted sum of `values` (N,) within each group of rows (N,), shape (R, groups).

        Sums over a patient's rows first, so all replicates are one product of matrices.
        """
        cell = group * self.cases.units + self.cases.unit
        per_unit = np.bincount(cell, weights=values, minlength=groups * self.cases.units)
        # Not `@`: the product runs in several threads already, and a BLAS that starts
        # threads of its own in each of them took ten times as long on a busy machine.
        product: Floats = np.einsum("rp,gp->rg", self.counts, per_unit.reshape(groups, -1))
        return product

    def total(self, values: Floats) -> Floats:
        """Weighted sum of `values` (N,) over all rows, shape (R,)."""
        return self.totals(values, np.zeros(len(values), dtype=np.int64), 1)[:, 0]

    @cached_property
    def cells(self) -> Floats:
        """True negatives, false positives, false negatives, true positives, shape (R, 4)."""
        cell = 2 * self.truth.astype(np.int64) + self.decision
        return self.totals(np.ones(len(cell)), cell, 4)

    @property
    def true_negative(self) -> Floats:
        """Weight of the negatives that are called negative, shape (R,)."""
        return self.cells[:, 0]

    @property
    def false_positive(self) -> Floats:
        """Weight of the negatives that are called positive, shape (R,)."""
        return self.cells[:, 1]

    @property
    def false_negative(self) -> Floats:
        """Weight of the positives that are called negative, shape (R,)."""
        return self.cells[:, 2]

    @property
    def true_positive(self) -> Floats:
        """Weight of the positives that are called positive, shape (R,)."""
        return self.cells[:, 3]

    @property
    def positives(self) -> Floats:
        """Weight of the positives, shape (R,)."""
        return self.cells[:, 2] + self.cells[:, 3]

    @property
    def rows(self) -> Floats:
        """Weight of all rows, shape (R,)."""
        total: Floats = self.cells.sum(axis=1)
        return total

    @cached_property
    def ranked(self) -> Ranked:
        """Cumulated weights along the order of the scores: one gather and one running sum."""
        ranking = self.cases.ranking
        weights = np.take(self.counts, self.cases.unit[ranking.order], axis=1)
        up_to = np.empty((len(weights), weights.shape[1] + 1))
        up_to[:, 0] = 0
        np.cumsum(weights, axis=1, out=up_to[:, 1:])
        positive = np.take(weights, ranking.positive, axis=1)
        if len(ranking.run) < len(ranking.positive):  # some positives share a score
            positive = np.add.reduceat(positive, ranking.run, axis=1)
        below, through = (np.take(up_to, at, axis=1) for at in (ranking.start, ranking.end))
        return Ranked(positive, below, through, up_to[:, -1])


def ratio(part: Floats, whole: Floats) -> Floats:
    """`part / whole`, NaN where the whole is zero: the replicate does not define the number."""
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)
