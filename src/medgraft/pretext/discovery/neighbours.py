"""The nearest descriptors: exact, and ties in the order of rows."""

from __future__ import annotations

import numpy as np

from medgraft.errors import ArgumentError
from medgraft.optional import require

SPARE = 32  # candidates beyond those asked for, to tell near ties apart
ROUNDING = 2.0**-23  # of float32, per term of a sum
PORTION = 2**24  # numbers at a time


def require_search() -> None:
    """Find out before hours of training whether the search can run.

    Raises:
        MissingExtraError: If faiss is not installed.
    """
    require("faiss", extra="search", purpose="the search for nearest neighbours")


def nearest(
    descriptors: np.ndarray, queries: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """The `count` nearest descriptors of each query by Euclidean distance.

    faiss finds candidates in float32; these are ordered by their distances in float64. Where the
    rounding of float32 could have hidden a candidate, all rows are compared. So the answer is
    that of a stable sort of all distances, and a descriptor is its own first neighbour at distance
    zero, unless an identical one stands before it.

    Args:
        descriptors: float32, shape (N, D), finite.
        queries: float32, shape (Q, D), finite.
        count: From 1 to N.

    Returns:
        Rows, int64 (Q, count), and distances, float64 (Q, count), nearest first.

    Raises:
        ArgumentError: If `count` is out of range, or a descriptor is not finite.
        MissingExtraError: If faiss is not installed.

    Examples:
        >>> line = np.array([[0.0], [1.0], [3.0], [1.0]], dtype=np.float32)
        >>> rows, distances = nearest(line, line[1:2], 3)
        >>> rows.tolist(), distances.tolist()
        ([[1, 3, 0]], [[0.0, 0.0, 1.0]])
    """
    faiss = require("faiss", extra="search", purpose="the search for nearest neighbours")
    _check(descriptors, queries, count)
    middle = descriptors.mean(axis=0, dtype=np.float64).astype(np.float32)
    centred = np.ascontiguousarray(descriptors - middle)  # smaller numbers, smaller rounding
    asked = np.ascontiguousarray(queries - middle)
    index = faiss.IndexFlatL2(centred.shape[1])
    index.add(centred)
    wanted = min(len(centred), count + SPARE)
    found_distances, found = index.search(asked, wanted)
    slack = _slack(centred, asked)
    rows = np.empty((len(queries), count), np.int64)
    distances = np.empty((len(queries), count))
    portion = max(1, PORTION // (wanted * descriptors.shape[1]))
    for start in range(0, len(queries), portion):
        part = slice(start, start + portion)
        squares = _squares(descriptors[found[part]], queries[part, None])
        for place, query in enumerate(range(start, start + len(squares))):
            rows[query], distances[query] = _first(found[query], squares[place], count)
            beyond = found_distances[query, -1]  # no row that is missing is nearer than this
            if wanted < len(centred) and distances[query, -1] ** 2 + slack[query] >= beyond:
                every = _all_squares(descriptors, queries[query])
                rows[query], distances[query] = _first(np.arange(len(every)), every, count)
    return rows, distances


def nearest_allowed(
    descriptors: np.ndarray, queries: np.ndarray, count: int, allowed: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The `count` nearest descriptors among those that each query may have, as `nearest`.

    Args:
        descriptors: As for `nearest`.
        queries: Likewise.
        count: At most the allowed descriptors of any query.
        allowed: bool (Q, N).
    """
    wanted = min(len(descriptors), 2 * count)  # of most queries few are not allowed
    rows, distances = nearest(descriptors, queries, wanted)
    found = np.empty((len(queries), count), np.int64)
    far = np.empty((len(queries), count))
    for query, own in enumerate(allowed):
        kept = own[rows[query]]
        if kept.sum() >= count:
            found[query] = rows[query][kept][:count]
            far[query] = distances[query][kept][:count]
            continue
        places = np.flatnonzero(own)
        chosen, ways = nearest(descriptors[places], queries[query : query + 1], count)
        found[query], far[query] = places[chosen[0]], ways[0]
    return found, far


def _squares(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    differences = a.astype(np.float64)
    differences -= b
    return np.asarray((differences * differences).sum(axis=-1))


def _all_squares(descriptors: np.ndarray, query: np.ndarray) -> np.ndarray:
    portion = max(1, PORTION // descriptors.shape[1])
    starts = range(0, len(descriptors), portion)
    return np.concatenate([_squares(descriptors[s : s + portion], query) for s in starts])


def _first(rows: np.ndarray, squares: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    order = np.lexsort((rows, squares))[:count]
    return rows[order], np.sqrt(squares[order])


def _slack(centred: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """How far a square distance of faiss can lie from the true one, for each query.

    It computes |a|^2 + |b|^2 - 2ab in float32: each of three sums of D products rounds by at most
    D times the unit, relative to (|a| + |b|)^2; centring rounds once more.
    """
    largest = np.sqrt(float(np.einsum("nd,nd->n", centred, centred).max()))
    norms = np.sqrt(np.einsum("nd,nd->n", asked, asked).astype(np.float64))
    unit = (centred.shape[1] + 4) * ROUNDING
    return np.asarray(2 * unit * (norms + largest) ** 2)


def _check(descriptors: np.ndarray, queries: np.ndarray, count: int) -> None:
    if not 1 <= count <= len(descriptors):
        raise ArgumentError(
            f"neighbours must be from 1 to the number of scans, {len(descriptors)}, got {count}."
        )
    if not (np.isfinite(descriptors).all() and np.isfinite(queries).all()):
        raise ArgumentError(
            "descriptors must be finite, but some are NaN or infinite. Take other weights."
        )
