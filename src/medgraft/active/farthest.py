"""Points that lie far apart: greedy k-centre, exact."""

from __future__ import annotations

import numpy as np

from medgraft.active.distances import Points
from medgraft.active.evidence import Floats, Integers

FRONT = 4096  # points that compete in memory: 8 MiB at 512 values


def farthest_first(
    features: Floats,
    count: int,
    rng: np.random.Generator,
    *,
    covered: Floats | None = None,
    first: int | None = None,
) -> Integers:
    """Take again and again the point that is farthest from all that are taken.

    The largest distance from any point to its nearest taken one is at most twice what the
    best choice of as many points could reach (Gonzalez 1985). A distance to the nearest can
    only fall, so one that was not brought up to date is still an upper bound. Only the points of
    the largest bounds compete, in memory; all are brought up to date, with one matrix product,
    when a point outside could be farther. The answer is that of the plain algorithm.

    Args:
        features: Shape (N, D).
        count: How many to take, in [1, N].
        rng: Chooses the first point where nothing else does.
        covered: Points that are taken already, shape (L, D), or None.
        first: Where nothing is covered, the point to begin with; by chance if None.

    Returns:
        Distinct rows, shape (count,), in the order in which they were taken.

    Raises:
        EvidenceError: If a feature is not finite.

    Examples:
        >>> line = np.array([[0.0], [1.0], [5.0], [9.0]])
        >>> farthest_first(line, 3, np.random.default_rng(0), first=0)
        array([0, 3, 2])
    """
    points = Points.of(features)
    nearest = np.full(len(features), np.inf, dtype=points.squares.dtype)
    taken: list[int] = []
    if covered is not None and len(covered):
        for _, block in Points.of(covered).blocks():
            _cover(nearest, points, block)
    else:
        taken = [int(rng.integers(len(features))) if first is None else first]
        nearest[taken] = -np.inf
        _cover(nearest, points, points.take(np.array(taken)))
    while len(taken) < count:
        new = _compete(nearest, points, count - len(taken))
        taken += new
        if len(taken) < count:
            _cover(nearest, points, points.take(np.array(new)))
    return np.array(taken, dtype=np.int64)


def _cover(nearest: Floats, points: Points, centres: Points) -> None:
    """Bring the distance of every point to its nearest centre up to date."""
    for rows, block in points.blocks():
        found = block.square_distances(centres).min(axis=1)
        np.minimum(nearest[rows], found, out=nearest[rows])


def _compete(nearest: Floats, points: Points, count: int) -> list[int]:
    """Take points among those of the largest bounds while none outside can be farther."""
    size = min(FRONT, len(nearest))
    order = np.argpartition(nearest, len(nearest) - size)
    front = np.sort(order[-size:])
    beyond = nearest[order[:-size]].max() if size < len(nearest) else -np.inf
    competing, distances = points.take(front), nearest[front]
    taken: list[int] = []
    while len(taken) < count:
        at = int(distances.argmax())
        if distances[at] < beyond or distances[at] == -np.inf:
            break
        centre = Points(competing.values[at : at + 1], competing.squares[at : at + 1])
        distances = np.minimum(distances, competing.square_distances(centre)[:, 0])
        distances[at] = -np.inf
        taken.append(int(front[at]))
    nearest[front] = distances
    return taken
