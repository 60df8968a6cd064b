"""Where the loss falls fastest."""

from __future__ import annotations

import numpy as np

from medgraft.train.suggestions import suggestion


@suggestion("steep")
def steep(rates: np.ndarray, losses: np.ndarray) -> float:
    """The rate from which the loss falls most per decade, to the next rate tried.

    One early spike is enough to mislead it: look at the curve.

    Examples:
        >>> steep(np.array([0.001, 0.01, 0.1, 1.0]), np.array([3.0, 2.9, 1.0, 5.0]))
        0.01
    """
    slopes = np.diff(losses) / np.diff(np.log(rates))
    return float(rates[np.argmin(slopes)])
