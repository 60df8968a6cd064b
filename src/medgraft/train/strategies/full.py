"""Everything is tuned at one rate."""

from __future__ import annotations

from medgraft.train.strategies import Body, Phase, Strategy, strategy


@strategy("full")
class Full(Strategy):
    """Tune all stages and the head together."""

    def plan(self, body: Body, *, epochs: int, rate: float) -> tuple[Phase, ...]:  # noqa: ARG002 (the family's signature)
        """One phase in which nothing is frozen."""
        return (Phase("full", epochs, None, rate),)
