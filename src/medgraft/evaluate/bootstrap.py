"""Intervals from resampled patients.

The patients are drawn with replacement, as many as there are; a drawn patient brings all of
its rows. Images of one patient resemble each other, so drawing images would give intervals
that are too narrow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Literal

import numpy as np

from medgraft.errors import ArgumentError
from medgraft.evaluate.check import Floats, Integers
from medgraft.evaluate.metrics import Metric
from medgraft.evaluate.sample import Cases, Counts, Sample, ratio
from medgraft.machine import cores
from medgraft.seeds import generator

DRAW = 4  # replicates per generator: fixed, so that how the work is cut changes no number
CHUNK = 2**19  # weights per array: few passes over the rows, and yet what a cache can hold
KEPT = 2**26  # weights that are remembered at most: 128 MB in 16 bits
WORKERS = 8  # at most; beyond that memory is the limit

Rule = Literal["linear", "order"]
Task = tuple[Cases, Sequence[Metric]]


def draw(units: int, replicates: int, seed: int, *, first: int = 0) -> Integers:
    """How often each replicate draws each unit, shape (replicates, units); rows sum to `units`.

    Args:
        units: How many patients (or images) there are.
        replicates: How many replicates, a multiple of 4 except at the end.
        seed: The same seed and number of units give the same draws, in every process.
        first: Number of the first replicate, a multiple of 4.

    Examples:
        >>> draw(3, 2, seed=0).sum(axis=1)
        array([3, 3])
    """
    blocks = range(first // DRAW, -(-(first + replicates) // DRAW))
    counts = np.concatenate([_block(units, seed, block) for block in blocks])
    return counts[:replicates]


def _block(units: int, seed: int, block: int) -> Integers:
    drawn = generator(seed, "bootstrap", block).integers(0, units, size=(DRAW, units))
    drawn += units * np.arange(DRAW)[:, None]
    return np.bincount(drawn.ravel(), minlength=DRAW * units).reshape(DRAW, units)


class _Draws:
    """The draws of one number of units and one seed, part by part.

    What was drawn last is remembered where it is small: runs that are compared ask for the same
    draws one after the other, and drawing takes as long as measuring three labels.
    """

    def __init__(self, units: int, replicates: int, seed: int) -> None:
        self.units, self.replicates, self.seed = units, replicates, seed
        self.whole = (
            _remembered(units, replicates, seed) if 0 < units * replicates <= KEPT else None
        )

    def part(self, first: int, count: int) -> Counts:
        count = min(count, self.replicates - first)
        if self.whole is not None:
            return Counts.of(self.whole[first : first + count])
        return Counts.of(draw(self.units, count, self.seed, first=first))


@lru_cache(maxsize=1)
def _remembered(units: int, replicates: int, seed: int) -> Integers:
    counts = draw(units, replicates, seed)
    small: Integers = np.asfortranarray(counts, dtype=np.uint16 if units < 2**16 else np.int32)
    small.flags.writeable = False
    return small


def replicate(tasks: Sequence[Task], *, replicates: int, seed: int) -> list[list[Floats]]:
    """Every metric of every task in every replicate; all tasks see the same draws.

    Args:
        tasks: Rows of one label each, of the same patients, and the metrics wanted of them.
        replicates: How many.
        seed: Of the draws.

    Returns:
        For each task and each of its metrics the values, shape (replicates,), NaN where the
        metric is undefined in that replicate.

    Raises:
        ArgumentError: If `replicates` is negative.
    """
    _not_negative(replicates)
    units = tasks[0][0].units
    step = _step([cases for cases, _ in tasks])
    draws = _Draws(units, replicates, seed)

    def part(first: int) -> list[list[Floats]]:
        counts = draws.part(first, step)
        return [values(Sample(cases, counts), wanted) for cases, wanted in tasks]

    for cases, _ in tasks:
        _ = cases.ranking, cases.by_unit  # sorted once, before the threads ask for it
    with ThreadPoolExecutor(min(WORKERS, cores())) as pool:
        parts = list(pool.map(part, range(0, replicates, step)))
    return [
        [_joined([p[task][number] for p in parts]) for number in range(len(wanted))]
        for task, (_, wanted) in enumerate(tasks)
    ]


def resample(
    cases: Cases, statistic: Callable[[Sample], Floats], *, replicates: int, seed: int
) -> Floats:
    """Any statistic of one label in every replicate, for those that are more than a number.

    Args:
        cases: The rows.
        statistic: From a sample of R replicates to R rows of numbers, shape (R, ...).
        replicates: How many.
        seed: Of the draws; the same draws as `replicate` makes.

    Returns:
        Shape (replicates, ...).
    """
    step = _step([cases])
    draws = _Draws(cases.units, replicates, seed)
    return np.concatenate(
        [statistic(Sample(cases, draws.part(first, step))) for first in range(0, replicates, step)]
    )


def means(of_units: Floats, *, replicates: int, seed: int) -> Floats:
    """Mean over the drawn units of numbers that each unit has of its own.

    Args:
        of_units: One row per patient (or image), shape (units, F); NaN where undefined.
        replicates: How many.
        seed: Of the draws; the same draws as `replicate` makes.

    Returns:
        Shape (replicates, F); a unit that does not define a column is left out of its mean, and
        the mean is NaN where none of those drawn defines it.

    Raises:
        ArgumentError: If `replicates` is negative.
    """
    _not_negative(replicates)
    units, step = len(of_units), _step_of(len(of_units))
    parts = [
        mean_of_defined(of_units, draw(units, min(step, replicates - first), seed, first=first))
        for first in range(0, replicates, step)
    ]
    return np.concatenate(parts) if parts else np.empty((0, of_units.shape[1]))


def mean_of_defined(of_units: Floats, counts: np.ndarray | None = None) -> Floats:
    """Means of the columns over the units that define them, each unit counted so often.

    Args:
        of_units: Shape (units, F), NaN where undefined.
        counts: Shape (R, units); once each where None.

    Returns:
        Shape (R, F), NaN where no unit that counts defines the column.

    Examples:
        >>> mean_of_defined(np.array([[1.0, np.nan], [3.0, 5.0]]))
        array([[2., 5.]])
    """
    counts = np.ones((1, len(of_units))) if counts is None else counts.astype(np.float64)
    defined = ~np.isnan(of_units)
    total = np.einsum("rp,pf->rf", counts, np.where(defined, of_units, 0.0))
    weight = np.einsum("rp,pf->rf", counts, defined.astype(float))
    return ratio(total, weight)


def _step(all_cases: Sequence[Cases]) -> int:
    return _step_of(max(max(cases.units, len(cases.truth)) for cases in all_cases))


def _step_of(widest: int) -> int:
    return max(DRAW, CHUNK // widest // DRAW * DRAW)


def _not_negative(replicates: int) -> None:
    if replicates < 0:
        raise ArgumentError(f"replicates must not be negative, got {replicates}")


def values(sample: Sample, wanted: Sequence[Metric]) -> list[Floats]:
    """The metrics of one sample, each of shape (R,)."""
    return [metric.formula(sample) for metric in wanted]


def once(cases: Cases) -> Sample:
    """The sample in which every row counts once."""
    return Sample(cases, Counts.of(np.ones((1, cases.units))))


def _joined(parts: list[Floats]) -> Floats:
    return np.concatenate(parts) if parts else np.empty(0)


def interval(
    replicates: Floats, *, confidence: float = 0.95, rule: Rule = "linear"
) -> tuple[float, float]:
    """The percentile interval of the defined replicates.

    Args:
        replicates: Values, shape (R,); NaN marks an undefined one, which is skipped.
        confidence: Share of replicates inside, such as 0.95.
        rule: "linear" interpolates between neighbours, as numpy does; "order" takes the
            values number ``int(tail * R)`` and ``int((1 - tail) * R)`` of the sorted
            replicates, counted from 1, as the published architecture studies do.

    Raises:
        ArgumentError: If no replicate is defined, or `confidence` is not in (0, 1).

    Examples:
        >>> interval(np.arange(1000.0), rule="order")
        (24.0, 974.0)
        >>> interval(np.arange(0.0, 5.0), confidence=0.5)
        (1.0, 3.0)
    """
    if not 0 < confidence < 1:
        raise ArgumentError(f"confidence must be in (0, 1), got {confidence}")
    defined = np.sort(replicates[~np.isnan(replicates)])
    if not len(defined):
        raise ArgumentError("an interval needs at least one defined replicate, got none")
    tail = (1 - confidence) / 2
    if rule == "linear":
        low, high = np.quantile(defined, [tail, 1 - tail])
        return float(low), float(high)
    # Rounded first: 0.975 * 1000 must be 975, whatever the last bit of (1 - 0.95) / 2.
    last = len(defined) - 1
    ends = [int(round(share * len(defined), 9)) - 1 for share in (tail, 1 - tail)]
    low, high = (defined[min(max(end, 0), last)] for end in ends)
    return float(low), float(high)
