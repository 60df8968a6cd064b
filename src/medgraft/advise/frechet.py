"""Fréchet distances between Gaussians: how far the images of two archives lie apart."""

from __future__ import annotations

import numpy as np

from medgraft.errors import ShapeError
from medgraft.evaluate.frechet import frechet


def per_channel(
    mean: np.ndarray, variance: np.ndarray, source_mean: np.ndarray, source_variance: np.ndarray
) -> np.ndarray:
    """Squared Fréchet distance of each channel from the source, in units of the source's variance.

        d = ((m - m0)^2 + (s - s0)^2) / s0^2

    of Gaussians with means m, m0 and standard deviations s, s0. 0 means the same; 1 means, for
    example, a mean that moved by one standard deviation of the source. The unit makes channels,
    stages and networks comparable. Not symmetric: the source is the measure.

    Source: Dowson and Landau 1982, for diagonal covariances.

    Args:
        mean: Of the target, shape (C,).
        variance: Of the target, shape (C,).
        source_mean: Of the source, shape (C,).
        source_variance: Of the source, shape (C,), above 0.

    Examples:
        >>> zero, one = np.zeros(1), np.ones(1)
        >>> per_channel(zero, one, zero, one), per_channel(one, 4 * one, zero, one)
        (array([0.]), array([2.]))
    """
    if (source_variance <= 0).any():
        raise ShapeError("source_variance must be above 0: it is the unit of the distance.")
    gap = (mean - source_mean) ** 2 + (np.sqrt(variance) - np.sqrt(source_variance)) ** 2
    distances: np.ndarray = gap / source_variance
    return distances


def between(target: np.ndarray, source: np.ndarray) -> float:
    """Squared Fréchet distance of two sets of features, in units of the source's total variance.

    See `medgraft.evaluate.frechet`. Few images make it too large, so compare sets of the same size
    only.

    Args:
        target: Shape (N, D).
        source: Shape (M, D).

    Returns:
        0 for the same set; NaN if the source does not vary.
    """
    distance = frechet(target, source)
    unit = float(np.asarray(source, float).var(axis=0).sum())
    return distance / unit if unit > 0 else float("nan")
