"""LogME: how well a linear model could explain the labels, before any is trained."""

from __future__ import annotations

import numpy as np

from medgraft.errors import ShapeError

ROUNDS = 200  # of the fixed-point iteration; it is done within about twenty
CLOSE = 1e-7  # relative change of both precisions at which it has arrived
LEAST = 1e-9  # of the mean square of the labels: where they fit exactly, the noise would vanish


def logme(features: np.ndarray, targets: np.ndarray) -> np.ndarray:
    r"""Maximum log evidence per image of Bayesian linear regression, one for each column of targets.

    The model is y = F w + noise with w ~ N(0, I / a) and noise ~ N(0, I / b). With the singular
    values s of F and z the coordinates of y along its left singular vectors, the evidence

        L(a, b) = n/2 ln b + d/2 ln a - n/2 ln 2 pi - b/2 |y - F m|^2 - a/2 |m|^2 - 1/2 ln |A|,
        A = a I + b F^T F,   m = b A^-1 F^T y

    is maximised by repeating g = sum b s^2 / (a + b s^2), a = g / |m|^2, b = (n - g) / |y - F m|^2
    (MacKay's fixed point). F is decomposed once, and all columns are iterated together.

    Higher is better. It compares features for the same labels and the same images; by itself the
    number means nothing, and it is neither an accuracy nor a likelihood of classes.

    Source: You et al. 2021, "LogME: Practical Assessment of Pre-trained Models", arXiv:2102.11005.

    Args:
        features: Shape (N, D), as they are: neither centred nor scaled.
        targets: Shape (N, K), each column 0 and 1.

    Returns:
        Shape (K,).

    Raises:
        ShapeError: If rows do not match, or a number is not finite.
    """
    f, y = np.asarray(features, float), np.asarray(targets, float)
    if f.ndim != 2 or y.ndim != 2 or len(f) != len(y) or not len(f):
        raise ShapeError(
            f"features and targets must have shapes (N, D) and (N, K), got {f.shape} and {y.shape}."
        )
    if not (np.isfinite(f).all() and np.isfinite(y).all()):
        raise ShapeError("features and targets must be finite. Leave out rows without a label.")
    left, singular, _ = np.linalg.svd(f, full_matrices=False)
    power = singular[:, None] ** 2  # (R, 1)
    along = (left.T @ y) ** 2  # (R, K)
    beyond = np.maximum((y**2).sum(axis=0) - along.sum(axis=0), 0)  # no weight reaches it
    floor = LEAST * np.maximum((y**2).mean(axis=0), LEAST)
    a, b = _precisions(power, along, beyond, len(f), floor)
    return _evidence(power, along, beyond, f.shape, a, b)


def _precisions(
    power: np.ndarray, along: np.ndarray, beyond: np.ndarray, n: int, floor: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Of the weights and of the noise, each of shape (K,)."""
    total = float(power.sum()) or 1.0  # features that are all zero have no scale
    a = np.full(along.shape[1], total / n)  # weights and noise share the labels evenly
    b = np.ones(along.shape[1])
    for _ in range(ROUNDS):
        weights, residual = _moments(power, along, beyond, a, b)
        used = (b * power / (a + b * power)).sum(axis=0)
        new_a = np.where(weights > 0, used / np.maximum(weights, np.finfo(float).tiny), a)
        new_b = 1 / np.maximum(residual / np.maximum(n - used, LEAST), floor)
        # labels that features say nothing of drive a to infinity: the limit is soon near enough
        new_a = np.minimum(new_a, total * new_b / LEAST)
        done = np.allclose(new_a, a, rtol=CLOSE, atol=0) and np.allclose(
            new_b, b, rtol=CLOSE, atol=0
        )
        a, b = new_a, new_b
        if done:
            break
    return a, b


def _moments(
    power: np.ndarray, along: np.ndarray, beyond: np.ndarray, a: np.ndarray, b: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Squared length of the weights and of what they leave unexplained, each of shape (K,)."""
    stretched = a + b * power
    weights = (b**2 * power * along / stretched**2).sum(axis=0)
    residual = beyond + ((a / stretched) ** 2 * along).sum(axis=0)
    return weights, residual


def _evidence(
    power: np.ndarray,
    along: np.ndarray,
    beyond: np.ndarray,
    shape: tuple[int, ...],
    a: np.ndarray,
    b: np.ndarray,
) -> np.ndarray:
    n, d = shape
    weights, residual = _moments(power, along, beyond, a, b)
    determinant = np.log(a + b * power).sum(axis=0) + (d - len(power)) * np.log(a)
    total = n * np.log(b) + d * np.log(a) - n * np.log(2 * np.pi)
    evidence: np.ndarray = (total - b * residual - a * weights - determinant) / (2 * n)
    return evidence
