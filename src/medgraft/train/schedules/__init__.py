"""Schedules: the course of the learning rate and of the momentum over a run.

To add one, add a module to this folder that registers a function with `schedule`. It takes the
position in the run, 0 at the first step and 1 at the last, and returns a `Point`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from medgraft.registry import Registry


@dataclass(frozen=True)
class Point:
    """Where a schedule stands.

    Attributes:
        rate: Factor on the peak learning rate, in [0, 1].
        momentum: Momentum (first beta of Adam); None leaves the optimiser's own.
    """

    rate: float
    momentum: float | None = None


Schedule = Callable[[float], Point]
schedules: Registry[Schedule] = Registry("schedule", __name__)


def schedule(name: str) -> Callable[[Schedule], Schedule]:
    """Register a schedule under `name`."""

    def register(function: Schedule) -> Schedule:
        return schedules.add(name, function)

    return register


def cosine(start: float, end: float, position: float) -> float:
    """Half a cosine from `start` at 0 to `end` at 1.

    Examples:
        >>> [round(cosine(1.0, 0.0, p), 3) for p in (0, 0.5, 1)]
        [1.0, 0.5, 0.0]
    """
    return end + (start - end) * (1 + math.cos(math.pi * position)) / 2
