"""A frozen phase for a new head, then everything with discriminative rates."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field

from medgraft.train.strategies import TENTH, Body, Phase, Strategy, ladder, strategy


@strategy("two-phase")
class TwoPhase(Strategy):
    """Careful fine-tuning as in the PCam study: a head of two layers, trained first alone.

    In the first phase the batch norms of the frozen stages keep learning and moving, as they do
    in fastai; ``norms=still`` freezes them too. In the second, rates climb from `low` to `high`
    over three groups: stages up to a stride of 8, deeper ones, head. The rate of the recipe is
    not used; both phases have the epochs of the recipe unless `head_epochs` says otherwise.
    """

    head: ClassVar[str] = "concat"
    head_epochs: int | None = Field(None, ge=1, description="Epochs of the first phase.")
    head_rate: float = Field(1e-2, gt=0, description="Peak rate of the first phase.")
    low: float = Field(1e-5, gt=0, description="Rate of the first group in the second phase.")
    high: float = Field(1e-4, gt=0, description="Rate of the head in the second phase.")
    norms: Literal["still", "moving"] = Field(
        "moving", description="Batch norms of frozen stages in the first phase."
    )

    def scaled(self, factor: float) -> Self:
        """With its three rates multiplied."""
        rates = ("head_rate", "low", "high")
        return self.model_copy(update={key: getattr(self, key) * factor for key in rates})

    def plan(self, body: Body, *, epochs: int, rate: float) -> tuple[Phase, ...]:  # noqa: ARG002 (rates are its own)
        """The phase of the head and the phase of everything."""
        tenth = tuple((stage, TENTH) for stage in body.stages)
        first = self.head_epochs or epochs
        return (
            Phase("head", first, body.last, self.head_rate, tenth, self.norms),
            Phase("everything", epochs, None, self.high, ladder(body.groups, self.low, self.high)),
        )
