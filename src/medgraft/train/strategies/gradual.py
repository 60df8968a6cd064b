"""Stages are unfrozen one after another, the last first."""

from __future__ import annotations

from pydantic import Field

from medgraft.errors import ArgumentError
from medgraft.train.strategies import Body, Phase, Strategy, strategy


@strategy("gradual")
class Gradual(Strategy):
    """Train the head, then one more stage with every phase (Howard and Ruder 2018, arXiv:1801.06146).

    Each stage learns at a fraction of the rate of the one after it.
    """

    fall: float = Field(2.6, ge=1, description="Factor between the rates of neighbouring stages.")
    stages: int = Field(1, ge=1, description="Stages that are unfrozen with each phase.")

    def plan(self, body: Body, *, epochs: int, rate: float) -> tuple[Phase, ...]:
        """A phase for the head, then one for every `stages` stages, from the last to the first.

        Raises:
            ArgumentError: If there are fewer epochs than phases.
        """
        count = len(body.stages)
        frozen = [*range(count, 0, -self.stages), 0]
        if epochs < len(frozen):
            raise ArgumentError(
                f"gradual needs an epoch for each of its {len(frozen)} phases, got {epochs}."
                " Pass more --epochs, or unfreeze more at a time: gradual:stages=4."
            )
        scales = tuple((s, self.fall ** (k - count)) for k, s in enumerate(body.stages))
        share, rest = divmod(epochs, len(frozen))
        return tuple(
            Phase(
                f"{kept} stages frozen",
                share + (rest if kept == 0 else 0),  # everything together has the longest
                body.stages[kept - 1] if kept else None,
                rate,
                scales,
            )
            for kept in frozen
        )
