"""A tenth of the rate at the lowest loss."""

from __future__ import annotations

import numpy as np

from medgraft.train.suggestions import suggestion


@suggestion("minimum")
def minimum(rates: np.ndarray, losses: np.ndarray) -> float:
    """A tenth of the rate at which the loss is lowest; at the lowest itself it is about to rise.

    Never below the lowest rate tried, of which the curve says nothing.

    Examples:
        >>> minimum(np.array([0.001, 0.01, 0.1, 1.0]), np.array([3.0, 2.0, 1.0, 5.0]))
        0.01
    """
    return float(max(rates[np.argmin(losses)] / 10, rates[0]))
