"""What labels are worth: how many a goal takes, what share is saved, which curve is ahead.

A learning curve is a score after each of T purchases of labels. Everything here takes curves along
the last axis, so that a curve and its bootstrap replicates are asked alike.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from medgraft.errors import ArgumentError, ShapeError
from medgraft.evaluate.check import Floats


def labels_needed(labels: Any, scores: Any, goal: Any, *, log: bool = False) -> Floats:
    """How many labels a curve takes to reach a goal for the first time.

    Between two points the curve is straight.

    Args:
        labels: Rising, shape (T,).
        scores: Shape (..., T).
        goal: A number, or shape (...,).
        log: Straight along the logarithm of the labels, which must then be above 0.

    Returns:
        Shape (...,); infinite where the goal is not reached, NaN where a score or the goal is.

    Examples:
        >>> labels_needed([10, 20, 40], [0.5, 0.75, 0.875], 0.8125).item()
        30.0
        >>> labels_needed([10, 20], [[0.9, 0.9], [0.5, 0.6]], 0.8)
        array([10., inf])
        >>> labels_needed([10, 20, 40], [0.6, 0.8, 0.9], 0.7, log=True).round(1).item()
        14.1

    Raises:
        ShapeError: If there is not one score for each count of labels.
        ArgumentError: If the counts do not rise, or from 0 where their logarithm is asked for.
    """
    x, y = _curve(labels, scores)
    if log:
        if x[0] <= 0:
            raise ArgumentError(f"counts of labels must be above 0 on a logarithm, got {x[0]:g}")
        x = np.log(x)
    wanted = np.broadcast_to(np.asarray(goal, dtype=np.float64), y.shape[:-1])[..., None]
    reached = np.asarray(y >= wanted)
    after = reached.argmax(axis=-1)[..., None]  # the first point there; 0 if there is none
    before = np.maximum(after - 1, 0)
    high, low = (np.take_along_axis(y, at, axis=-1) for at in (after, before))
    rise = np.where(high > low, high - low, 1.0)
    share = np.where(after > before, (wanted - low) / rise, 1.0)
    found = x[before] + share * (x[after] - x[before])
    found = np.where(reached.any(axis=-1, keepdims=True), np.exp(found) if log else found, np.inf)
    unknown = np.isnan(y).any(axis=-1, keepdims=True) | np.isnan(wanted)
    return np.asarray(np.where(unknown, np.nan, found)[..., 0])


def saving(own: Any, other: Any, most: float) -> Floats:
    """Share of the labels that one way saves against another: 1 - own / other.

    Where the goal was not reached with `most` labels, more are needed than that: `most` is put in
    their place, so that a saving is understated where the other way fails, and a loss where
    one's own does.

    Args:
        own: Labels needed, infinite where the goal was not reached.
        other: Likewise, by the way that is compared with.
        most: The most labels that were tried.

    Returns:
        At most 1, negative where more were needed; NaN where neither way reached the goal.

    Examples:
        >>> saving([120.0, 300.0, np.inf, np.inf], [240.0, np.inf, 240.0, np.inf], 400)
        array([ 0.5       ,  0.25      , -0.66666667,         nan])
    """
    mine, theirs = np.asarray(own, dtype=np.float64), np.asarray(other, dtype=np.float64)
    neither = np.isinf(mine) & np.isinf(theirs)
    share = 1 - np.minimum(mine, most) / np.minimum(theirs, most)
    return np.asarray(np.where(neither, np.nan, share))


def wins(first: Any, second: Any) -> float:
    """Share of points at which the first curve is the higher one; equal ones count half.

    Args:
        first: Scores, of any shape.
        second: At the same labels, the same shape.

    Returns:
        In [0, 1], and 1 minus that of the second against the first; NaN if no point is known.

    Examples:
        >>> wins([0.5, 0.7, 0.8, 0.9], [0.5, 0.6, 0.9, 0.8])
        0.625
    """
    one, two = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    known = ~(np.isnan(one) | np.isnan(two))
    if not known.any():
        return float("nan")
    higher = (one > two) + 0.5 * (one == two)
    return float(higher[known].mean())


def _curve(labels: Any, scores: Any) -> tuple[Floats, Floats]:
    x, y = np.asarray(labels, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    if x.ndim != 1 or not len(x) or y.ndim < 1 or y.shape[-1] != len(x):
        raise ShapeError(
            f"a curve must have one score per count of labels, got counts of shape {x.shape} and"
            f" scores of shape {y.shape}"
        )
    if not (np.diff(x) > 0).all():
        raise ArgumentError(f"counts of labels must rise, got {', '.join(f'{n:g}' for n in x[:8])}")
    return x, y
