"""Kernel distance (KID): how far two sets of features lie apart, without bias."""

from __future__ import annotations

import numpy as np

from medgraft.evaluate.check import Floats
from medgraft.generate.quality.distances import NUMBERS, check_sets


def kernel_distance(first: Floats, second: Floats) -> float:
    """Squared maximum mean discrepancy under a polynomial kernel, unbiased.

        k(x, y) = (x . y / D + 1)^3
        MMD^2 = mean k(x, x') + mean k(y, y') - 2 mean k(x, y)

    over all pairs of different rows. Unlike the Fréchet distance, its expectation does not depend
    on how many images there are; of two samples of one distribution it is 0, and the value is
    below 0 about half of the time.

    Source: Bińkowski et al. 2018, arXiv:1801.01401.

    Args:
        first: Shape (N, D), N at least 2.
        second: Shape (M, D), M at least 2.

    Raises:
        ShapeError, ArgumentError: If the sets cannot be compared.

    Examples:
        >>> kernel_distance(np.array([[0.0], [1.0]]), np.array([[0.0], [1.0]]))
        -3.5
    """
    counts = (np.ones((1, len(rows))) for rows in (first, second))
    return float(kernel_distance_of_counts(first, second, *counts)[0])


def kernel_distance_of_counts(
    first: Floats, second: Floats, first_counts: Floats, second_counts: Floats
) -> Floats:
    """The distance in each of R replicates that count every row so often, shape (R,).

    A row that is counted twice makes no pair with itself: such pairs would pull every replicate up.

    Args:
        first: Shape (N, D).
        second: Shape (M, D).
        first_counts: Shape (R, N), not negative.
        second_counts: Shape (R, M).
    """
    check_sets(first, second, least=2)
    crossed = _sums(first, second, first_counts, second_counts)
    both = first_counts.sum(axis=1) * second_counts.sum(axis=1)
    found: Floats = (
        _within(first, first_counts) + _within(second, second_counts) - 2 * crossed / both
    )
    return found


def _within(rows: Floats, counts: Floats) -> Floats:
    """Mean over pairs of different rows."""
    own = counts**2 @ _kernel((rows * rows).sum(axis=1), rows.shape[1])
    pairs = counts.sum(axis=1) ** 2 - (counts**2).sum(axis=1)
    mean: Floats = (_sums(rows, rows, counts, counts) - own) / pairs
    return mean


def _sums(first: Floats, second: Floats, one: Floats, other: Floats) -> Floats:
    """Sum of the kernel over all pairs, each as often as its rows count, shape (R,)."""
    total = np.zeros(len(one))
    step = max(1, NUMBERS // len(second))
    for start in range(0, len(first), step):
        part = slice(start, start + step)
        block = _kernel(first[part] @ second.T, first.shape[1])
        total += np.einsum("rb,br->r", one[:, part], block @ other.T)
    return total


def _kernel(products: Floats, columns: int) -> Floats:
    return np.asarray((products / columns + 1) ** 3)
