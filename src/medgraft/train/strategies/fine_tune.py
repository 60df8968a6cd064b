"""Fine-tuning in two phases with one rate to choose."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field

from medgraft.train.strategies import TENTH, Body, Phase, Strategy, ladder, strategy


@strategy("fine-tune")
class FineTune(Strategy):
    """A short phase for a head of two layers, then everything at half its rate and less.

    Source: `fine_tune` of fastai 2 (Howard and Gugger 2020, arXiv:2002.04688): an epoch of the head
    whose rate rises nearly to the end, then a cycle over all stages with rates that climb from
    a hundredth over three groups. The second phase has the epochs of the recipe; its rate and
    its schedule are not used.
    """

    head: ClassVar[str] = "concat"
    head_epochs: int = Field(1, ge=1, description="Epochs of the first phase.")
    head_rate: float = Field(
        2e-3, gt=0, description="Peak rate of the first phase; the second has half of it."
    )
    fall: float = Field(
        100.0, ge=1, description="Rate of the head over that of the first stages, second phase."
    )
    norms: Literal["still", "moving"] = Field(
        "moving", description="Batch norms of frozen stages in the first phase."
    )

    def scaled(self, factor: float) -> Self:
        """With its rate multiplied; the others are fractions of it."""
        return self.model_copy(update={"head_rate": self.head_rate * factor})

    def plan(self, body: Body, *, epochs: int, rate: float) -> tuple[Phase, ...]:  # noqa: ARG002 (rates are its own)
        """The phase of the head and the phase of everything."""
        high = self.head_rate / 2
        return (
            Phase(
                "head",
                self.head_epochs,
                body.last,
                self.head_rate,
                tuple((stage, TENTH) for stage in body.stages),
                self.norms,
                schedule="one_cycle:rise=0.99",
            ),
            Phase(
                "everything",
                epochs,
                None,
                high,
                ladder(body.groups, high / self.fall, high),
                schedule="one_cycle:rise=0.3,divide=5",
            ),
        )
