"""One cycle: up, then down, with the momentum the other way."""

from __future__ import annotations

from pydantic import Field

from medgraft.train.schedules import Point, Schedule, cosine, schedule


@schedule("one_cycle")
class OneCycle(Schedule):
    """Half a cosine up to the peak and half a cosine down; the momentum falls and rises meanwhile.

    Source: Smith 2018, arXiv:1803.09820. The defaults are those of fastai 2; those of fastai 1 are
    ``one_cycle:rise=0.3,final=250000,whole=true``.
    """

    rise: float = Field(0.25, gt=0, lt=1, description="Share of the batches on the way up.")
    divide: float = Field(25.0, ge=1, description="Peak over the rate of the first batch.")
    final: float = Field(1e5, ge=1, description="Peak over the rate at the end.")
    high: float = Field(0.95, gt=0, lt=1, description="Momentum at the start and at the end.")
    low: float = Field(0.85, gt=0, lt=1, description="Momentum at the peak.")
    whole: bool = Field(
        default=False, description="Round the way up down to whole batches, as fastai 1 does."
    )

    def __call__(self, step: int, steps: int, epochs: int = 1) -> Point:  # noqa: ARG002 (the family's signature)
        """The point of the cycle.

        Examples:
            >>> [round(OneCycle()(step, 100).rate, 6) for step in (0, 25, 100)]
            [0.04, 1.0, 1e-05]
            >>> OneCycle()(25, 100).momentum
            0.85
        """
        up = int(self.rise * steps) if self.whole else self.rise * steps
        if step < up:
            along = step / up
            return Point(cosine(1 / self.divide, 1.0, along), cosine(self.high, self.low, along))
        along = (step - up) / (steps - up)
        return Point(cosine(1.0, 1 / self.final, along), cosine(self.low, self.high, along))
