"""The area under a learning curve: how much was learnt, and how early."""

from __future__ import annotations

from typing import Any

import numpy as np

from medgraft.errors import ArgumentError, ShapeError
from medgraft.evaluate import check
from medgraft.evaluate.check import Floats


def alc(labels: Any, scores: Any, *, log: bool = False) -> float:
    """The mean height of a learning curve between its first and its last number of labels.

    The trapezoid area divided by the width: a curve that stays at c has c, one that rises on a
    straight line from 0 to 1 has a half. Compare curves over the same range of labels only.

    Args:
        labels: Numbers of labels, rising, shape (P,) with P at least 2.
        scores: The score that was reached with each, such as an AUROC, shape (P,).
        log: Put the labels on a logarithmic axis, where the first labels count most (as Guyon
            et al. 2011 do, who then also subtract the area of chance); all must be above 0.

    Returns:
        The area, between the lowest and the highest score; higher is better.

    Raises:
        ShapeError: If there are not as many scores as labels, or fewer than two.
        ArgumentError: If labels do not rise or a number is not finite, or a logarithm is asked for and
            the first number of labels is not above 0.

    Examples:
        >>> alc([0, 50, 100], [0.0, 0.5, 1.0])
        0.5
        >>> round(alc([10, 100, 1000], [0.5, 0.9, 1.0], log=True), 3)
        0.825
    """
    at = check.vector(labels, "labels")
    return float(areas(at, check.scores(scores, len(at)), log=log))


def areas(labels: Any, scores: Any, *, log: bool = False) -> Floats:
    """`alc` of many curves at once, such as bootstrap replicates.

    Args:
        labels: As for `alc`.
        scores: Shape (..., P).
        log: As for `alc`.

    Returns:
        Shape (...,); NaN where a score is.

    Raises:
        ShapeError, ArgumentError: As `alc`, but scores may be NaN.

    Examples:
        >>> areas([10, 20], [[0.5, 0.7], [np.nan, 0.7]])
        array([0.6, nan])
    """
    at, height = check.vector(labels, "labels"), np.asarray(scores, dtype=np.float64)
    if height.shape[-1:] != at.shape:
        raise ShapeError(
            f"a curve must have one score per number of labels, {len(at)}, got {height.shape}"
        )
    check.finite(at, "labels")
    if len(at) < 2:
        raise ShapeError(f"a learning curve must have at least 2 points, got {len(at)}")
    if not (np.diff(at) > 0).all():
        place = int(np.flatnonzero(np.diff(at) <= 0)[0])
        raise ArgumentError(f"labels must rise, got {at[place]:g} and then {at[place + 1]:g}")
    if log:
        if at[0] <= 0:
            raise ArgumentError(
                f"labels must be above 0 on a logarithmic axis, got {at[0]:g}. Leave that point out."
            )
        at = np.log(at)
    return np.asarray(np.trapezoid(height, at, axis=-1) / (at[-1] - at[0]))
