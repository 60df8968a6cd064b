"""Preparation steps: from a scan as it was read to an array of known size and range.

To add one, add a module to this folder with a frozen model that has a field per option and
maps a `Scan` to a `Scan`. A step is deterministic and does not write to its input. Its
contract is checked by ``tests/prepare/test_steps.py``, on the options of its `example`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, TypeVar

from medgraft.read.scan import Scan
from medgraft.registry import Registry
from medgraft.spec import Options


class Step(Options, ABC):
    """One deterministic change to a scan.

    Attributes:
        name: What the step is registered under.
        example: A spec of it with every option that has no default.
        dims: Numbers of spatial axes that it works on.
    """

    name: ClassVar[str]
    example: ClassVar[str]
    dims: ClassVar[frozenset[int]] = frozenset({2, 3})

    @abstractmethod
    def __call__(self, scan: Scan) -> Scan:
        """The changed scan; `scan` itself stays as it was."""


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
