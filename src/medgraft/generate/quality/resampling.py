"""Intervals of measures of two sets: real images are drawn by patient, samples one by one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from medgraft.evaluate import check
from medgraft.evaluate.bootstrap import draw
from medgraft.evaluate.check import Floats, Units
from medgraft.evaluate.estimate import estimate
from medgraft.seeds import derive

Measure = Callable[[Floats, Floats], Floats]  # counts (R, N) and (R, M) to values (R,)
Entry = dict[str, Any]  # value, low, high, as in evaluation.json


@dataclass(frozen=True)
class Resampling:
    """Draws of two sets.

    Attributes:
        first: Patients of the first set, which is real.
        second: Those of the second: of real images patients, of samples themselves.
        replicates: How many.
        seed: Of the draws.
    """

    first: Units
    second: Units
    replicates: int
    seed: int

    @classmethod
    def of(
        cls, first: Any, second: Any, sizes: tuple[int, int], *, replicates: int, seed: int
    ) -> Resampling:
        """From whose image each row is; None where every row stands for itself."""
        return cls(check.units(first, sizes[0]), check.units(second, sizes[1]), replicates, seed)

    def both(self, measure: Measure, *, biased: bool = False) -> Entry:
        """A measure of both sets.

        Args:
            measure: From how often each row counts to values.
            biased: Whether it is a distance that grows as rows are repeated. Its replicates then lie
                above the value, and are moved down, to 0 at most, until their mean is the value: the
                interval says how far the value varies among sets of this size.
        """
        ones = (np.ones((1, len(units.of_row))) for units in (self.first, self.second))
        value = float(measure(*ones)[0])
        drawn = measure(self._first(), self._second())
        if biased and len(drawn):
            drawn = np.maximum(drawn - drawn.mean() + value, 0)
        return self._entry(value, drawn, self.first)

    def of_first(self, values: Floats) -> Entry:
        """The mean of what each row of the first set says."""
        return self._mean(values, self._first(), self.first)

    def of_second(self, values: Floats) -> Entry:
        """The mean of what each row of the second set says."""
        return self._mean(values, self._second(), self.second)

    def _mean(self, values: Floats, counts: Floats, units: Units) -> Entry:
        return self._entry(float(values.mean()), counts @ values / counts.sum(axis=1), units)

    def _entry(self, value: float, drawn: Floats, units: Units) -> Entry:
        return estimate(value, drawn, reason="", units=units.count, unit=units.name)

    def _first(self) -> Floats:
        return _counts(self.first, self.replicates, derive(self.seed, "first"))

    def _second(self) -> Floats:
        return _counts(self.second, self.replicates, derive(self.seed, "second"))


def _counts(units: Units, replicates: int, seed: int) -> Floats:
    if not replicates:
        return np.empty((0, len(units.of_row)))
    counts = draw(units.count, replicates, seed)[:, units.of_row]
    return counts.astype(np.float64)
