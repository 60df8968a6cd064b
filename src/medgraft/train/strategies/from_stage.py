"""One stage and all after it are tuned."""

from __future__ import annotations

from pydantic import Field

from medgraft.registry import unknown_name
from medgraft.train.strategies import Body, Phase, Strategy, strategy


@strategy("from")
class FromStage(Strategy):
    """Tune a stage and all after it, such as ``from:inception_c3``; the others stay as they are."""

    stage: str = Field(description="The first stage that is tuned.")

    def plan(self, body: Body, *, epochs: int, rate: float) -> tuple[Phase, ...]:
        """One phase, frozen up to the stage before.

        Raises:
            UnknownNameError: If there is no such stage; the near names are offered.
        """
        if self.stage not in body.stages:
            raise unknown_name("stage", self.stage, body.stages)
        return (Phase(f"from {self.stage}", epochs, body.before(self.stage), rate),)
