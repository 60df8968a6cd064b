"""Schedules: the course of the learning rate and of the momentum over a phase of training.

To add one, add a module to this folder with a frozen model that has a field per option. It is
called with the number of a batch, that of all batches and that of epochs, and returns a `Point`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from medgraft.registry import Registry
from medgraft.spec import Options


@dataclass(frozen=True)
class Point:
    """Where a schedule stands.

    Attributes:
        rate: Factor on the peak learning rate, in [0, 1].
        momentum: Momentum (first beta of Adam); None leaves the optimiser's own.
    """

    rate: float
    momentum: float | None = None


class Schedule(Options, ABC):
    """A course of the rate, and perhaps of the momentum."""

    @abstractmethod
    def __call__(self, step: int, steps: int, epochs: int = 1) -> Point:
        """The point for batch `step` of `steps`, counted from 0; `steps` is the end itself.

        The batches are those of so many `epochs`, all of one length.
        """


Kind = TypeVar("Kind", bound=type[Schedule])
schedules: Registry[type[Schedule]] = Registry("schedule", __name__)


def schedule(name: str) -> Callable[[Kind], Kind]:
    """Register a schedule under `name`."""

    def register(kind: Kind) -> Kind:
        schedules.add(name, kind)
        return kind

    return register


def cosine(start: float, end: float, position: float) -> float:
    """Half a cosine from `start` at 0 to `end` at 1.

    Examples:
        >>> [round(cosine(1.0, 0.0, p), 3) for p in (0, 0.5, 1)]
        [1.0, 0.5, 0.0]
    """
    return end + (start - end) * (1 + math.cos(math.pi * position)) / 2
