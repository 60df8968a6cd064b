"""The rows of one label, and many weighted views of them.

A metric is written once, on a `Sample`: R ways of counting the same rows. The value itself
is the sample in which every row counts once (R = 1); the bootstrap is the sample in which
replicate r counts the rows of each patient as often as it drew that patient.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

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
        return Ranking.of(self)

    @cached_property
    def by_unit(self) -> tuple[Integers, Integers]:
        """The rows, those of unit 0 first, and where those of each unit begin and end."""
        order = np.argsort(self.unit, kind="stable")
        rows = np.bincount(self.unit, minlength=self.units)
        return order, np.r_[0, np.cumsum(rows)]


@dataclass(frozen=True)
class Counts:
    """How often each of R replicates counts each of P patients.

    Made once for all labels that are resampled together. The replicates lie side by side: what
    is done to one patient is done to all of them in one stretch of memory.

    Attributes:
        of_unit: Whole numbers of 32 bits, or floats, shape (P, R), in the order of C.
    """

    of_unit: np.ndarray

    @classmethod
    def of(cls, counts: np.ndarray) -> Counts:
        """From an array of shape (R, P)."""
        kind = np.int32 if np.issubdtype(counts.dtype, np.integer) else np.float64
        return cls(np.ascontiguousarray(counts.T, dtype=kind))

    @cached_property
    def real(self) -> Floats:
        """The same as floats, shape (P, R)."""
        return np.asarray(self.of_unit, dtype=np.float64)


@dataclass(frozen=True)
class Ranking:
    """Rows in rising order of score, and sums over the runs of equal scores that hold a positive.

    G is the number of distinct scores that at least one positive row has.

    Attributes:
        segments: From weights of units to those of the rows between and in these runs, in turn,
            shape (2 G + 1, P), sparse.
        positives: From weights of units to those of the positive rows of each run, shape (G, P),
            sparse; None where they are all rows of the runs.
    """

    segments: Any
    positives: Any

    @classmethod
    def of(cls, cases: Cases) -> Ranking:
        """Sort once; every replicate uses it."""
        order = np.argsort(cases.score)  # whichever of equal scores comes first
        score, truth = cases.score[order], cases.truth[order]
        unit = cases.unit[order]
        starts = np.flatnonzero(np.r_[True, score[1:] != score[:-1]][: len(order)])
        ends = np.r_[starts[1:], len(order)][: len(starts)]
        found = np.r_[0, np.cumsum(truth)]
        positives = found[ends] - found[starts]
        held = positives > 0
        ends_of_segments = np.c_[starts[held], ends[held]].ravel()
        alone = bool((positives[held] == (ends - starts)[held]).all())
        return cls(
            _sums(unit, np.r_[0, ends_of_segments, len(order)], cases.units),
            None
            if alone
            else _sums(unit[truth], np.r_[0, np.cumsum(positives[held])], cases.units),
        )


def _sums(unit: Integers, ends: Integers, units: int) -> Any:
    """From weights of units, (P, R), to sums over stretches of rows, by the unit of each row."""
    from scipy.sparse import csr_array

    ones = np.ones(len(unit), np.int32)
    return csr_array((ones, unit, ends), shape=(len(ends) - 1, units))


@dataclass(frozen=True)
class Ranked:
    """What each replicate counts at each distinct score of a positive, shapes (R, G).

    Attributes:
        positive: Weight of the positives with that score.
        lower: Weight of the positives with a lower score.
        below: Weight of all rows with a lower score.
        up_to: Weight of all rows with that score or a lower one.
        positives: Weight of all positives, shape (R,).
        rows: Weight of all rows, shape (R,).
    """

    positive: np.ndarray
    lower: np.ndarray
    below: np.ndarray
    up_to: np.ndarray
    positives: Floats
    rows: Floats


@dataclass(frozen=True)
class Sample:
    """R ways of counting the same rows.

    Attributes:
        cases: The rows, N of them, of P patients.
        counts: How often each replicate counts each patient.
    """

    cases: Cases
    counts: Counts

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
        return self.counts.real[self.cases.unit].T

    def totals(self, values: Floats | Integers, group: Integers, groups: int) -> Floats:
        """Weighted sum of `values` (N,) within each group of rows (N,), shape (R, groups)."""
        from scipy.sparse import csc_array

        # Not a product of dense matrices: nearly all entries would be zero, and a BLAS that
        # starts threads of its own in each of ours took ten times as long on a busy machine.
        order, ends = self.cases.by_unit
        whole = np.issubdtype(values.dtype, np.integer)
        counts = self.counts.of_unit if whole else self.counts.real
        by_group = csc_array(
            (values[order].astype(counts.dtype), group[order], ends),
            shape=(groups, self.cases.units),
        )
        return np.asarray(by_group @ counts, dtype=np.float64).T

    def total(self, values: Floats) -> Floats:
        """Weighted sum of `values` (N,) over all rows, shape (R,)."""
        return self.totals(values, np.zeros(len(values), dtype=np.int64), 1)[:, 0]

    @cached_property
    def cells(self) -> Floats:
        """True negatives, false positives, false negatives, true positives, shape (R, 4)."""
        cell = 2 * self.truth.astype(np.int64) + self.decision
        return self.totals(np.ones(len(cell), np.int64), cell, 4)

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
        """Cumulated weights along the order of the scores: sums between positives, then running sums."""
        ranking, of_unit = self.cases.ranking, self.counts.of_unit
        summed = ranking.segments @ of_unit
        between, held = summed[::2], summed[1::2]
        positive = held if ranking.positives is None else ranking.positives @ of_unit
        step = between[:-1].copy()
        step[1:] += held[:-1]
        # In the type of the counts: running sums of floats take six times as long.
        below = np.cumsum(step, axis=0, dtype=step.dtype)
        up_to = below + held
        found = np.cumsum(positive, axis=0, dtype=positive.dtype)
        return Ranked(
            positive.T,
            (found - positive).T,
            below.T,
            up_to.T,
            found[-1:].sum(axis=0, dtype=np.float64),  # of no rows where there is no positive
            up_to[-1:].sum(axis=0, dtype=np.float64) + between[-1],
        )


def ratio(part: Floats, whole: Floats) -> Floats:
    """`part / whole`, NaN where the whole is zero: the replicate does not define the number."""
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)
