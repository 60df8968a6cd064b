"""A rate that does not change."""

from __future__ import annotations

from medgraft.train.schedules import Point, Schedule, schedule


@schedule("constant")
class Constant(Schedule):
    """The peak, always."""

    def __call__(self, step: int, steps: int, epochs: int = 1) -> Point:  # noqa: ARG002 (the family's signature)
        """The peak.

        Examples:
            >>> Constant()(3, 10)
            Point(rate=1.0, momentum=None)
        """
        return Point(1.0)
