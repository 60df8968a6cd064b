"""A linear support vector machine on the features of frozen stages."""

from __future__ import annotations

from pydantic import Field

from medgraft.train.strategies import Body, Phase, Solver, Strategy, fitted_after, strategy


@strategy("svm")
class Svm(Strategy):
    """Fit a support vector machine to what a stage makes of the images, such as ``svm:layer3``.

    The network ends after that stage and nothing before the head learns. The machine is linear
    with a squared hinge loss, each class against the others; Platt scaling of its values on
    left-out images makes them probabilities, which takes at least two patients of every class.
    """

    stage: str | None = Field(None, description="The stage to cut after; the last if not given.")
    c: float | None = Field(
        None, gt=0, description="Inverse strength of the penalty; chosen if not given."
    )
    folds: int = Field(5, ge=2, description="Parts of the cross-validation.")
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
        solver = Solver("svm", self.c, self.folds, self.views)
        return (fitted_after(self.stage, body, solver),)
