"""Losses of supervised training: sums over what is known, so that blanks cost nothing.

To add one, add a module to this folder that registers a function with `loss`. It takes
logits (B, K), targets (B, K) with NaN where unknown and weights (K,) of the classes, and returns
the sum of the terms and their number. One for masks takes logits (B, K, *S) and the class of each
pixel (B, *S), 255 where unknown. Its contract is checked by ``tests/train/test_parts.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from medgraft.registry import Registry


class Function(Protocol):
    """Sum and number of the terms of a loss."""

    def __call__(
        self, logits: Tensor, targets: Tensor, *, weights: Tensor, smoothing: float
    ) -> tuple[Tensor, float]:
        """The sum, through which gradients flow, and the number of terms."""


@dataclass(frozen=True)
class SupervisedLoss:
    """A registered loss.

    Attributes:
        name: As it is asked for.
        kind: Target that it is for: "exclusive" classes, "independent" labels or "masks".
        function: Computes it.
        source: Where it comes from.
    """

    name: str
    kind: str
    function: Function
    source: str


losses: Registry[SupervisedLoss] = Registry("loss", __name__)


def loss(name: str, *, kind: str, source: str) -> Callable[[Function], Function]:
    """Register a loss for one kind of target."""

    def register(function: Function) -> Function:
        losses.add(name, SupervisedLoss(name, kind, function, source))
        return function

    return register
