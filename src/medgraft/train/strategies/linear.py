"""Softmax regression on the features of frozen stages."""

from __future__ import annotations

from pydantic import Field

from medgraft.train.strategies import Body, Phase, Solver, Strategy, fitted_after, strategy


@strategy("linear")
class Linear(Strategy):
    """Fit a linear head to what a stage makes of the images, such as ``linear:layer3``.

    The network ends after that stage, nothing before the head learns, and the head is solved to
    its optimum: softmax regression (sigmoids for independent labels) of the averaged maps with
    a quadratic penalty. There are no epochs; `views` is how augmentation comes in.
    """

    stage: str | None = Field(None, description="The stage to cut after; the last if not given.")
    c: float | None = Field(
        None, gt=0, description="Inverse strength of the penalty; chosen if not given."
    )
    folds: int = Field(5, ge=2, description="Parts of the cross-validation that chooses it.")
    views: int = Field(0, ge=0, description="Augmented views of every image to fit to as well.")

    @property
    def last_stage(self) -> str | None:
        """The stage of its option."""
        return self.stage

    def plan(self, body: Body, *, epochs: int, rate: float) -> tuple[Phase, ...]:  # noqa: ARG002 (the family's signature)
        """One phase, which is fitted.

        Raises:
            UnknownNameError: If there is no such stage; the near names are offered.
        """
        solver = Solver("logistic", self.c, self.folds, self.views)
        return (fitted_after(self.stage, body, solver),)
