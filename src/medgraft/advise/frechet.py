"""Fréchet distances between Gaussians: how far the images of two archives lie apart."""

from __future__ import annotations

import numpy as np

from medgraft.errors import ShapeError


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

        d = (|m - m0|^2 + tr(S + S0 - 2 (S S0)^(1/2))) / tr(S0)

    of Gaussians with the means and covariances of the sets. With A, A0 the centred sets, divided by
    the roots of their numbers of rows, tr (S S0)^(1/2) is the nuclear norm of A A0^T: no matrix of
    D by D is needed. Few images make it too large, so compare sets of the same size only.

    Source: Dowson and Landau 1982; as a distance of images: Heusel et al. 2017, arXiv:1706.08500.

    Args:
        target: Shape (N, D).
        source: Shape (M, D).

    Returns:
        0 for the same set; NaN if the source does not vary.
    """
    t, s = np.asarray(target, float), np.asarray(source, float)
    if t.ndim != 2 or s.ndim != 2 or t.shape[1] != s.shape[1] or not len(t) or not len(s):
        raise ShapeError(f"features must have shapes (N, D) and (M, D), got {t.shape}, {s.shape}.")
    centred = [(x - x.mean(axis=0)) / np.sqrt(len(x)) for x in (t, s)]
    own, unit = ((x**2).sum() for x in centred)
    shared = np.linalg.norm(centred[0] @ centred[1].T, ord="nuc")
    gap = ((t.mean(axis=0) - s.mean(axis=0)) ** 2).sum()
    return float(max(gap + own + unit - 2 * shared, 0) / unit) if unit > 0 else float("nan")
