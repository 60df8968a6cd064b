"""Only the last layer is trained."""

from __future__ import annotations

from medgraft.train.strategies import Body, Phase, Strategy, strategy


@strategy("head")
class Head(Strategy):
    """Train the head alone; the backbone stays bit-identical, buffers included."""

    def plan(self, body: Body, *, epochs: int, rate: float) -> tuple[Phase, ...]:
        """One phase in which the whole backbone is frozen."""
        return (Phase("head", epochs, body.last, rate),)
