"""From random weights: the arm that transfer is compared with."""

from __future__ import annotations

from typing import ClassVar

from medgraft.train.strategies import Body, Phase, Strategy, strategy


@strategy("vanilla")
class Vanilla(Strategy):
    """Train everything from random weights; refuses any others."""

    from_random: ClassVar[bool] = True

    def plan(self, body: Body, *, epochs: int, rate: float) -> tuple[Phase, ...]:  # noqa: ARG002 (the family's signature)
        """One phase in which nothing is frozen."""
        return (Phase("vanilla", epochs, None, rate),)
