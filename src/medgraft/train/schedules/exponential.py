"""A rate that falls by the same factor after every epoch."""

from __future__ import annotations

from pydantic import Field

from medgraft.train.schedules import Point, Schedule, schedule


@schedule("exponential")
class Exponential(Schedule):
    """The peak in the first epoch, then `gamma` times the rate of the epoch before.

    Source of the default: Zhou et al. 2021, doi:10.1016/j.media.2021.101997 (continual fine-tuning).
    """

    gamma: float = Field(0.95, gt=0, le=1, description="Factor after each epoch.")

    def __call__(self, step: int, steps: int, epochs: int = 1) -> Point:
        """The point of the epoch that the batch belongs to.

        Examples:
            >>> [round(Exponential(gamma=0.5)(step, 6, 3).rate, 4) for step in range(6)]
            [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]
        """
        return Point(self.gamma ** (step * epochs // steps))
