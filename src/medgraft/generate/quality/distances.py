"""Distances between two sets of features, block by block."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from medgraft.errors import ArgumentError, ShapeError
from medgraft.evaluate.check import Floats, Integers

NUMBERS = 2**22  # distances at a time: 32 MiB


def check_sets(first: Floats, second: Floats, *, least: int = 1) -> None:
    """See that two sets of features can be compared.

    Raises:
        ShapeError: If they have not shapes (N, D) and (M, D), with N and M at least `least`.
        ArgumentError: If a feature is not finite.
    """
    shapes = np.shape(first), np.shape(second)
    if any(len(s) != 2 for s in shapes) or shapes[0][1] != shapes[1][1]:
        raise ShapeError(f"features must have shapes (N, D) and (M, D), got {shapes}.")
    if min(len(first), len(second)) < least:
        raise ShapeError(
            f"each set must have at least {least} images, got {len(first)} and {len(second)}."
            " Take more."
        )
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise ArgumentError(
            "features must be finite, but some are NaN or infinite. Take other weights."
        )


def square_distances(queries: Floats, others: Floats) -> Iterator[tuple[slice, Floats]]:
    """Squares of the distances from blocks of queries to all others, shape (b, M) each.

    In double precision, about a middle, so that two equal rows are at most 1e-14 of the square of
    their size apart.
    """
    middle = np.mean(others, axis=0, dtype=np.float64)
    b = others - middle
    squares = np.einsum("nd,nd->n", b, b)
    step = max(1, NUMBERS // len(b))
    for start in range(0, len(queries), step):
        rows = slice(start, min(start + step, len(queries)))
        a = queries[rows] - middle
        found = np.einsum("nd,nd->n", a, a)[:, None] - 2 * (a @ b.T) + squares
        yield rows, np.maximum(found, 0.0)


def nearest(queries: Floats, others: Floats) -> tuple[Integers, Floats]:
    """The nearest of the others to each query, by Euclidean distance.

    Returns:
        Its row, shape (Q,), the first of several that are equally near, and its distance, (Q,).

    Examples:
        >>> nearest(np.array([[0.0], [5.0]]), np.array([[1.0], [4.5]]))
        (array([0, 1]), array([1. , 0.5]))
    """
    check_sets(queries, others)
    rows = np.empty(len(queries), np.int64)
    for part, squares in square_distances(queries, others):
        rows[part] = squares.argmin(axis=1)
    return rows, np.linalg.norm(np.asarray(queries, float) - others[rows], axis=1)


def nearest_other(points: Floats, k: int = 1) -> Floats:
    """Distance of each point to its k-th nearest other point, shape (N,).

    Raises:
        ArgumentError: If there are not k others.

    Examples:
        >>> nearest_other(np.array([[0.0], [1.0], [3.0]]), k=2)
        array([3., 2., 3.])
    """
    check_sets(points, points)
    if not 1 <= k < len(points):
        raise ArgumentError(
            f"neighbours must be from 1 to the {len(points)} images of a set less one, got {k}."
        )
    found = np.empty(len(points))
    for part, squares in square_distances(points, points):
        own = np.arange(part.start, part.stop)
        squares[own - part.start, own] = np.inf
        found[part] = np.partition(squares, k - 1, axis=1)[:, k - 1]
    return np.sqrt(found)
