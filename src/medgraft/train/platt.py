"""From the decision values of a support vector machine to probabilities."""

from __future__ import annotations

import numpy as np


def platt(
    values: np.ndarray, classes: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Slopes and offsets that turn decision values into logits.

    Of two classes the probability of class 1 is the sigmoid of slope · value + offset (Platt 1999,
    with his targets: (N₁ + 1) / (N₁ + 2) and 1 / (N₀ + 2) instead of 1 and 0, which keeps
    separable classes finite). Of more classes they are the softmax of one such line each (vector
    scaling, Guo et al. 2017, arXiv:1706.04599), with (N + 1) / (N + K) and 1 / (N + K) for a class
    of N images.

    Args:
        values: Decision values of images that the machine has not seen, shape (N, 1) or (N, K).
        classes: Shape (N,), in [0, K).
        weights: Of the rows, shape (N,); N counts by weight.

    Returns:
        Slopes and offsets, shape (1,) or (K,).
    """
    from scipy.optimize import minimize

    spread = values.std(axis=0)
    size = np.where(spread > 0, spread, 1.0)  # so that one step length suits all
    z, width = values / size, values.shape[1]
    targets = _targets(classes, weights, max(2, width))
    share = weights / weights.sum()

    def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
        slopes, offsets = theta[:width], theta[width:]
        log_p = log_probabilities(z * slopes + offsets)
        gap = (np.exp(log_p) - targets)[:, -width:] * share[:, None]
        gradient = np.concatenate([(gap * z).sum(axis=0), gap.sum(axis=0)])
        return float(-(share[:, None] * targets * log_p).sum()), gradient

    start = np.concatenate([np.ones(width), np.zeros(width)])
    found = minimize(loss, start, jac=True, method="BFGS", options={"gtol": 1e-9}).x
    return found[:width] / size, found[width:]


def log_probabilities(logits: np.ndarray) -> np.ndarray:
    """Log of the probability of each class; one column is the logit of class 1 of two.

    Examples:
        >>> log_probabilities(np.zeros((1, 1))).round(3)
        array([[-0.693, -0.693]])
    """
    if logits.shape[1] == 1:
        logits = np.hstack([np.zeros_like(logits), logits])
    top = logits.max(axis=1, keepdims=True)
    return np.asarray(logits - top - np.log(np.exp(logits - top).sum(axis=1, keepdims=True)))


def _targets(classes: np.ndarray, weights: np.ndarray, count: int) -> np.ndarray:
    held = np.bincount(classes, weights, minlength=count)[classes][:, None]
    own = classes[:, None] == np.arange(count)
    return np.asarray(np.where(own, held + 1, 1) / (held + count))
