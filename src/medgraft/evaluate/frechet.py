"""Fréchet distance between Gaussians fitted to two sets of features."""

from __future__ import annotations

import numpy as np

from medgraft.errors import ShapeError
from medgraft.evaluate.check import Floats


def frechet(first: Floats, second: Floats) -> float:
    """Squared Fréchet distance of two sets of features.

        d = |m - m0|^2 + tr(S + S0 - 2 (S S0)^(1/2))

    of Gaussians with the means and covariances (divided by N) of the sets. With A, A0 the centred
    sets, divided by the roots of their numbers of rows, tr (S S0)^(1/2) is the nuclear norm of
    A A0^T: no root of a matrix is taken, so fewer rows than columns do no harm to the arithmetic.

    They do harm to the meaning: the distance of two samples of one and the same distribution is
    above 0 and falls with the number of rows, so compare distances of sets of the same size only.

    Source: Dowson and Landau 1982; as a distance of images: Heusel et al. 2017, arXiv:1706.08500.

    Args:
        first: Shape (N, D).
        second: Shape (M, D).

    Returns:
        At least 0, in the square of the units of the features; symmetric.

    Raises:
        ShapeError: If the shapes do not fit, or a set is empty.

    Examples:
        >>> one = np.array([[0.0], [2.0]])
        >>> frechet(one, one), frechet(one, one + 3)
        (0.0, 9.0)
    """
    a, b = np.asarray(first, float), np.asarray(second, float)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or not len(a) or not len(b):
        raise ShapeError(f"features must have shapes (N, D) and (M, D), got {a.shape}, {b.shape}.")
    a_share, b_share = (np.full(len(x), 1 / len(x)) for x in (a, b))
    return _of_shares(a, b, a_share, b_share)


def frechet_of_counts(
    first: Floats, second: Floats, first_counts: Floats, second_counts: Floats
) -> Floats:
    """The distance in each of R replicates that count every row so often, shape (R,).

    Args:
        first: Shape (N, D).
        second: Shape (M, D).
        first_counts: Shape (R, N), not negative, each row with a sum above 0.
        second_counts: Shape (R, M).

    Examples:
        >>> rows = np.array([[0.0], [2.0]])
        >>> frechet_of_counts(rows, rows, np.array([[1.0, 1.0]]), np.array([[2.0, 0.0]]))
        array([2.])
    """
    pairs = zip(first_counts, second_counts, strict=True)
    return np.array(
        [_of_shares(first, second, one / one.sum(), other / other.sum()) for one, other in pairs]
    )


def _of_shares(first: Floats, second: Floats, one: Floats, other: Floats) -> float:
    (a_mean, a), (b_mean, b) = _centred(first, one), _centred(second, other)
    own = (a**2).sum() + (b**2).sum()
    shared = np.linalg.norm(_small(a) @ _small(b).T, ord="nuc")
    return float(max(((a_mean - b_mean) ** 2).sum() + own - 2 * shared, 0.0))


def _centred(rows: Floats, share: Floats) -> tuple[Floats, Floats]:
    """Mean, and rows whose products are the covariance; those that do not count are left out."""
    kept = share > 0
    rows, share = rows[kept], share[kept]
    mean = share @ rows
    return mean, (rows - mean) * np.sqrt(share)[:, None]


def _small(rows: Floats) -> Floats:
    """At most D rows with the same products of columns, so with the same singular values."""
    return rows if len(rows) <= rows.shape[1] else np.asarray(np.linalg.qr(rows, mode="r"))
