"""Which models are beaten by no other in everything at once."""

from __future__ import annotations

import numpy as np

from medgraft.errors import ShapeError
from medgraft.evaluate.check import Bools, Floats


def on_front(scores: Floats, speeds: Floats) -> Bools:
    """Whether each model is on the Pareto front of score and speed, both the higher the better.

    A model is off it if another one is at least as good in both and better in one; models that
    are equal in both stand on it together.

    Args:
        scores: Shape (A,), or (A, R) for R replicates at once; a NaN is never on the front.
        speeds: Shape (A,).

    Returns:
        In the shape of `scores`.

    Raises:
        ShapeError: If there is not one speed per model.

    Examples:
        >>> on_front(np.array([0.9, 0.8, 0.8, 0.7]), np.array([10, 20, 15, 30])).tolist()
        [True, True, False, True]
    """
    speed = np.asarray(speeds, float)
    if speed.shape != scores.shape[:1]:
        raise ShapeError(
            f"there must be one speed per model, got {speed.shape} for {scores.shape[:1]}"
        )
    table = np.where(np.isnan(scores), -np.inf, scores).reshape(len(speed), -1)
    found = np.empty(table.shape, dtype=np.bool_)
    for place, (own, at) in enumerate(zip(table, speed, strict=True)):
        as_good = (table >= own) & (speed >= at)[:, None]
        better = (table > own) | (speed > at)[:, None]
        found[place] = ~(as_good & better).any(axis=0)
    return np.asarray((found & np.isfinite(table)).reshape(scores.shape))
