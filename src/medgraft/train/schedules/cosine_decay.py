"""From the peak down to zero."""

from __future__ import annotations

from medgraft.train.schedules import Point, cosine, schedule


@schedule("cosine")
def cosine_decay(position: float) -> Point:
    """Half a cosine from the peak to zero (Loshchilov and Hutter 2016, arXiv:1608.03983).

    Examples:
        >>> cosine_decay(0.5).rate
        0.5
    """
    return Point(cosine(1.0, 0.0, position))
