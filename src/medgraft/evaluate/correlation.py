"""Do larger x go with larger y? Spearman's rank correlation over few models, with an interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medgraft.errors import ArgumentError, ShapeError
from medgraft.evaluate.bootstrap import interval
from medgraft.evaluate.check import Floats
from medgraft.seeds import generator

FEWEST = 4  # models; of three, every order has a correlation of 0.5 or more, up or down


@dataclass(frozen=True)
class Correlation:
    """A rank correlation.

    Attributes:
        rho: In [-1, 1]; None where all models have one x or one y.
        p: Two-sided, of no monotone relation, by the t distribution.
        low: Lower end of the interval; None where there is none.
        high: Upper end.
        models: How many there are.
    """

    rho: float | None
    p: float | None
    low: float | None
    high: float | None
    models: int


def spearman(
    x: Sequence[float], y: Sequence[float], drawn: Floats, *, seed: int = 0
) -> Correlation:
    """Spearman's rank correlation of a property of models and their score; ties share a rank.

    Every replicate of the interval draws the models anew, with replacement, and takes their scores
    on the patients drawn for it: it says how far the number depends on both. An interval of a
    dozen models is wide; that is the answer, and no fault of it.

    Args:
        x: Property of each model, such as its accuracy on ImageNet, shape (A,).
        y: Score of each, shape (A,).
        drawn: Scores in the replicates, all of the same patients, shape (A, R).
        seed: Of the models that are drawn.

    Raises:
        ArgumentError: If there are fewer than 4 models.
        ShapeError: If the arrays do not fit each other.

    Examples:
        >>> found = spearman([1, 2, 3, 4, 5], [0.1, 0.2, 0.4, 0.3, 0.5], np.empty((5, 0)))
        >>> round(found.rho, 3), round(found.p, 3), found.low
        (0.9, 0.037, None)
    """
    first, second = np.asarray(x, float), np.asarray(y, float)
    if first.shape != second.shape or drawn.shape[:1] != first.shape or first.ndim != 1:
        raise ShapeError(
            f"x, y and drawn must speak of the same models, got shapes {first.shape},"
            f" {second.shape} and {drawn.shape}"
        )
    if len(first) < FEWEST:
        raise ArgumentError(f"a rank correlation needs at least {FEWEST} models, got {len(first)}")
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return Correlation(None, None, None, None, len(first))
    from scipy.stats import spearmanr

    rho, p = spearmanr(first, second)
    low = high = None
    replicates = _replicates(first, drawn, seed)
    if np.isfinite(replicates).any():
        low, high = interval(replicates)
    return Correlation(float(rho), float(p), low, high, len(first))


def _replicates(x: Floats, drawn: Floats, seed: int) -> Floats:
    """Correlations of drawn models, shape (R,); NaN where they all have one x or one y."""
    from scipy.stats import rankdata

    models, count = drawn.shape
    if not count:
        return np.empty(0)
    chosen = generator(seed, "models", models).integers(0, models, size=(count, models))
    ranks = [
        rankdata(values, axis=1)
        for values in (x[chosen], np.take_along_axis(drawn.T, chosen, axis=1))
    ]
    one, two = (rank - rank.mean(axis=1, keepdims=True) for rank in ranks)
    below = np.sqrt((one**2).sum(axis=1) * (two**2).sum(axis=1))
    above = (one * two).sum(axis=1)
    return np.asarray(np.divide(above, below, out=np.full(count, np.nan), where=below > 0))
