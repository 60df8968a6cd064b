"""Preparation steps: from a scan as it was read to an array of known size and range.

To add one, add a module to this folder with a frozen model that has a field per option and
maps a `Scan` to a `Scan`. A step is deterministic and does not write to its input. Its
contract is checked by ``tests/prepare/test_steps.py``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeVar

from medgraft.read.scan import Scan
from medgraft.registry import Registry
from medgraft.spec import Options


class Step(Options, ABC):
    """One deterministic change to a scan."""

    @abstractmethod
    def __call__(self, scan: Scan) -> Scan:
        """The changed scan; `scan` itself stays as it was."""


Kind = TypeVar("Kind", bound=type[Step])
steps: Registry[type[Step]] = Registry("preparation step", __name__)


def step(name: str) -> Callable[[Kind], Kind]:
    """Register a preparation step under `name`."""

    def register(kind: Kind) -> Kind:
        steps.add(name, kind)
        return kind

    return register
