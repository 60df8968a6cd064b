"""Preparation steps: from a scan as it was read to an array of known size and range.

To add one, add a module to this folder with a frozen model that has a field per option and
maps a `Scan` to a `Scan`. A step is deterministic and does not write to its input. Its
contract is checked by ``tests/prepare/test_steps.py``, on the options of its `example`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar, TypeVar

import numpy as np

from medgraft.read.scan import Scan
from medgraft.registry import Registry
from medgraft.spec import Options


class Step(Options, ABC):
    """One deterministic change to a scan.

    Attributes:
        name: What the step is registered under.
        example: A spec of it with every option that has no default.
        dims: Numbers of spatial axes that it works on.
        mends: It changes single pixels and leaves all others as they are.
    """

    name: ClassVar[str]
    example: ClassVar[str]
    mends: ClassVar[bool] = False
    dims: ClassVar[frozenset[int]] = frozenset({2, 3})

    @abstractmethod
    def __call__(self, scan: Scan) -> Scan:
        """The changed scan; `scan` itself stays as it was."""


class Erasing(Step):
    """A step that keeps a region and erases the rest. Abstract.

    Whoever wants to show or save what was removed asks `kept`; pixels outside become the least
    value that the image can hold, and no other pixel changes.
    """

    @abstractmethod
    def kept(self, scan: Scan) -> np.ndarray:
        """What stays, bool (*S), on the grid of the scan."""

    def __call__(self, scan: Scan) -> Scan:
        """The scan with all that is not kept erased."""
        return erased(scan, self.kept(scan))


def erased(scan: Scan, kept: np.ndarray) -> Scan:
    """The scan with its least possible value wherever `kept`, bool (*S), is False."""
    if kept.all():
        return scan
    ground = scan.array.dtype.type(ground_of(scan))
    return replace(scan, array=np.where(kept, scan.array, ground))


def scaled(scan: Scan, array: np.ndarray) -> Scan:
    """The scan with values that were brought into [0, 1], whatever they were before."""
    return replace(scan, array=array, value_range=(0.0, 1.0), unit=None)


def ground_of(scan: Scan) -> float:
    """The least value that the image can hold; without a range, the least it holds."""
    return float(scan.array.min()) if scan.value_range is None else scan.value_range[0]


def above_ground(scan: Scan) -> np.ndarray:
    """Values as float32 (C, *S) in [0, 1]: 0 is `ground_of`, 1 the most that the image can hold."""
    low = ground_of(scan)
    high = float(scan.array.max()) if scan.value_range is None else scan.value_range[1]
    if not low < high:
        return np.zeros(scan.array.shape, np.float32)
    if (low, high) == (0.0, 1.0):
        return scan.array.astype(np.float32, copy=False).clip(0, 1)
    return ((scan.array.astype(np.float64) - low) / (high - low)).clip(0, 1).astype(np.float32)


Kind = TypeVar("Kind", bound=type[Step])
steps: Registry[type[Step]] = Registry("preparation step", __name__)


def step(name: str, *, example: str | None = None) -> Callable[[Kind], Kind]:
    """Register a preparation step under `name`; `example` is a spec that builds it."""

    def register(kind: Kind) -> Kind:
        kind.name = name
        kind.example = example or name
        steps.add(name, kind)
        return kind

    return register
