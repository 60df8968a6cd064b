"""Stopping rules: when does another label no longer pay?

To add one, add a module to this folder with a frozen model that has a field per option. It is
called with what is known after each round and says why to stop, or None. Its contract is
checked by ``tests/active/test_stopping.py``. No rule reads the test part.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from medgraft.registry import Registry
from medgraft.spec import Options


@dataclass(frozen=True)
class Standing:
    """What is known after a round.

    Attributes:
        labels: How many have been bought.
        score: On the validation images, higher is better; None where there are none.
        agreement: Cohen's kappa of the answers of this model and of the one before, on images
            whose labels are not used; None after the first round.
    """

    labels: int
    score: float | None = None
    agreement: float | None = None


class Rule(Options, ABC):
    """When to stop."""

    @abstractmethod
    def __call__(self, history: Sequence[Standing]) -> str | None:
        """Why to stop after the last of these rounds, in a clause; None goes on."""


Kind = TypeVar("Kind", bound=type[Rule])
stopping: Registry[type[Rule]] = Registry("stopping rule", __name__)


def rule(name: str) -> Callable[[Kind], Kind]:
    """Register a stopping rule under `name`."""

    def register(kind: Kind) -> Kind:
        stopping.add(name, kind)
        return kind

    return register


def kappa(first: np.ndarray, second: np.ndarray) -> float:
    """Cohen's kappa of two lists of answers: agreement beyond what chance would bring.

    Two lists that hold the same single answer throughout agree fully: 1.

    Args:
        first: Class of each image, shape (N,), N at least 1.
        second: Likewise.

    Examples:
        >>> kappa(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 0]))
        0.5
    """
    names, codes = np.unique(np.concatenate([first, second]), return_inverse=True)
    one, two = np.split(codes, 2)
    table = np.zeros((len(names), len(names)))
    np.add.at(table, (one, two), 1 / len(one))
    observed, chance = float(np.trace(table)), float(table.sum(axis=0) @ table.sum(axis=1))
    return 1.0 if chance == 1 else (observed - chance) / (1 - chance)
