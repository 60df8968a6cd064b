"""Where an interval that slides down the curve comes to rest."""

from __future__ import annotations

import numpy as np

from medgraft.train.suggestions import suggestion

INTERVAL, THRESHOLD = 15, 0.005  # points, and loss per point: the constants of fastai 2


@suggestion("slide")
def slide(rates: np.ndarray, losses: np.ndarray) -> float:
    """Slide an interval from the right until the slopes at its two ends agree; its left end.

    The interval has 15 points (a third of the curve, if that is shorter), and slopes agree within
    0.005 of loss per point. While the right end is on the rise and the left one on the fall they
    differ; both on the fall they agree. So they do on a long straight rise, or if the curve ends
    flat, and then the answer is too high. The threshold is absolute: a loss of another magnitude,
    or another number of iterations, moves the answer.

    Examples:
        >>> rise = 1 + 3 * np.linspace(0, 1, 20) ** 3
        >>> falls = np.concatenate([np.full(20, 2.0), np.linspace(2, 1, 40), rise])
        >>> 20 <= slide(np.arange(80.0), falls) < 60
        True
    """
    interval = max(1, min(INTERVAL, len(losses) // 3))
    slopes = np.gradient(losses)
    differ = np.abs(slopes[interval:] - slopes[:-interval]) > THRESHOLD
    agree = np.flatnonzero(~differ)  # left ends of intervals at rest
    left = agree[-1] + 1 if len(agree) else 0  # the last one before it
    return float(rates[min(left, len(differ) - 1)])
