"""From the peak down to zero."""

from __future__ import annotations

from medgraft.train.schedules import Point, Schedule, cosine, schedule


@schedule("cosine")
class CosineDecay(Schedule):
    """Half a cosine from the peak to zero (Loshchilov and Hutter 2016, arXiv:1608.03983)."""

    def __call__(self, step: int, steps: int, epochs: int = 1) -> Point:  # noqa: ARG002 (the family's signature)
        """The point of the half cosine.

        Examples:
            >>> CosineDecay()(5, 10).rate
            0.5
        """
        return Point(cosine(1.0, 0.0, step / steps))
