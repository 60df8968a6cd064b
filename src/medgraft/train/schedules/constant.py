"""A rate that does not change."""

from __future__ import annotations

from medgraft.train.schedules import Point, schedule


@schedule("constant")
def constant(position: float) -> Point:  # noqa: ARG001 (the family's signature)
    """The peak, always.

    Examples:
        >>> constant(0.3)
        Point(rate=1.0, momentum=None)
    """
    return Point(1.0)
