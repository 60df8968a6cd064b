"""H-score: how far apart the classes lie in feature space, relative to the spread of all images."""

from __future__ import annotations

import numpy as np


def h_score(features: np.ndarray, classes: np.ndarray, *, shrink: bool = True) -> float:
    """The trace of cov(f)^-1 cov(E[f | class]).

    From 0 (the classes have the same mean) to the number of classes less one (they are points).
    Higher is better. With fewer images than channels cov(f) cannot be inverted, and near that
    number the score is too high whatever the labels are; `shrink` draws cov(f) towards a multiple
    of the identity by the share s of Ledoit and Wolf, and scales the score by 1 - s.

    Source: Bao et al. 2019, "An information-theoretic approach to transferability in task transfer
    learning"; shrinkage: Ibrahim et al. 2021, arXiv:2110.06893.

    Args:
        features: Shape (N, D).
        classes: Class of each image, shape (N,).
        shrink: Whether to shrink; without it the pseudo-inverse is used.

    Examples:
        >>> points = np.array([[0.0, 1.0], [0.0, 3.0], [2.0, 1.0], [2.0, 3.0]])
        >>> round(h_score(points, np.array([0, 0, 1, 1]), shrink=False), 6)
        1.0
    """
    centred = np.asarray(features, float) - np.mean(features, axis=0, dtype=float)
    means = np.empty_like(centred)
    for name in np.unique(classes):
        means[classes == name] = centred[classes == name].mean(axis=0)
    if not centred.any():
        return 0.0
    if not shrink:
        return float(np.trace(np.linalg.pinv(_covariance(centred)) @ _covariance(means)))
    from sklearn.covariance import ledoit_wolf

    scale = centred.std()  # single numbers would overflow or vanish in the fourth powers
    covariance, share = ledoit_wolf(centred / scale, assume_centered=True)
    if share >= 1:  # nothing but noise was found
        return 0.0
    between = _covariance(means / scale)
    if share == 0:  # of two images even this is singular
        return float(np.trace(np.linalg.pinv(covariance) @ between))
    return float((1 - share) * np.trace(np.linalg.solve(covariance, between)))


def _covariance(centred: np.ndarray) -> np.ndarray:
    product: np.ndarray = centred.T @ centred / len(centred)
    return product
