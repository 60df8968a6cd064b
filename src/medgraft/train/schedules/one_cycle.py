"""One cycle: up, then down, with the momentum the other way."""

from __future__ import annotations

from medgraft.train.schedules import Point, cosine, schedule

RISE = 0.25  # share of the run spent going up
START, END = 1 / 25, 1e-5  # of the peak
HIGH, LOW = 0.95, 0.85  # momentum


@schedule("one_cycle")
def one_cycle(position: float) -> Point:
    """Cosine from 1/25 of the peak to the peak and on to 1e-5 of it; momentum .95, .85, .95.

    Source: Smith 2018, arXiv:1803.09820, with the constants of fastai 2.

    Examples:
        >>> [round(one_cycle(position).rate, 6) for position in (0, 0.25, 1)]
        [0.04, 1.0, 1e-05]
        >>> one_cycle(0.25).momentum
        0.85
    """
    if position <= RISE:
        along = position / RISE
        return Point(cosine(START, 1.0, along), cosine(HIGH, LOW, along))
    along = (position - RISE) / (1 - RISE)
    return Point(cosine(1.0, END, along), cosine(LOW, HIGH, along))
