"""Where patterns lie: a reference scan and a place in it for each, drawn by the seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from medgraft.errors import TrainingError
from medgraft.pretext.discovery.tissue import Tissue
from medgraft.progress import track
from medgraft.seeds import generator


@dataclass(frozen=True)
class Place:
    """A pattern before its neighbours are known.

    Attributes:
        reference: Number of the scan it was drawn in.
        start: First pixel of its crop, one number per spatial axis.
    """

    reference: int
    start: tuple[int, ...]


def draw_places(
    scans: int,
    load: Callable[[int], np.ndarray],
    shape: Sequence[int],
    sides: Sequence[int],
    tissue: Tissue,
    *,
    count: int,
    distance: float,
    seed: int,
    allowed: np.ndarray | None = None,
) -> tuple[list[Place], int]:
    """Draw a reference for each pattern, without replacement, and one place in each.

    A place is drawn evenly among all that the tissue filter allows and that keep their distance from
    those drawn before. Every scan is looked at once at most, so this ends.

    Args:
        scans: How many scans may be references.
        load: From the number of a scan to its values in [0, 1], shape (C, *S).
        shape: S.
        sides: Of a crop, none larger than S.
        tissue: What a crop must hold.
        count: Patterns to find.
        distance: Least Euclidean distance of two places, in pixels.
        seed: Of all draws.
        allowed: Where a crop may begin besides, bool, shape (S - sides + 1); None for anywhere.

    Returns:
        The places, and how many scans offered none.

    Raises:
        TrainingError: If the scans are used up before there are `count` places.
    """
    if allowed is None:
        allowed = np.ones([n - side + 1 for n, side in zip(shape, sides, strict=True)], dtype=bool)
    free = allowed.copy()
    order = generator(seed, "references").permutation(scans)
    found: list[Place] = []
    for tried, scan in enumerate(track(order.tolist(), what="find places", unit="scan")):
        allowed = np.flatnonzero(tissue.starts(load(scan), sides) & free)
        if not len(allowed):
            continue
        chosen = int(generator(seed, "place", scan).choice(allowed))
        start = tuple(int(i) for i in np.unravel_index(chosen, free.shape))
        found.append(Place(scan, start))
        if len(found) == count:
            return found, tried + 1 - count
        _block(free, start, distance)
    raise TrainingError(
        f"every pattern must have a place of its own, but of {count} only {len(found)} were found in"
        f" all {scans} scans: crops must hold {tissue.least:g} to {tissue.most:g} tissue (values from"
        f" {tissue.threshold:g} on), also in as many other scans as a pattern has neighbours, and lie"
        f" {distance:g} pixels apart. Ask for fewer --patterns or --neighbours, lower --least,"
        " --threshold or --distance, or take smaller crops."
    )


def holding(
    scans: Sequence[int],
    load: Callable[[int], np.ndarray],
    shape: Sequence[int],
    sides: Sequence[int],
    tissue: Tissue,
) -> np.ndarray:
    """How many scans pass the tissue filter at each place, int32, shape (S - sides + 1).

    A crop of a scan that shows nothing there would be called by the name of a pattern all the same.
    Scans differ in size, and their grids in how much empty ground was added.
    """
    found = np.zeros([n - side + 1 for n, side in zip(shape, sides, strict=True)], dtype=np.int32)
    for scan in track(scans, what="look for tissue", unit="scan"):
        found += tissue.starts(load(scan), sides)
    return found


def _block(free: np.ndarray, start: Sequence[int], distance: float) -> None:
    """Mark everything nearer to `start` than `distance` as taken."""
    reach = int(np.ceil(distance))
    near = tuple(slice(max(0, at - reach), at + reach + 1) for at in start)
    grids = np.ogrid[
        tuple(slice(s.start, min(s.stop, n)) for s, n in zip(near, free.shape, strict=True))
    ]
    square = sum((grid - at) ** 2 for grid, at in zip(grids, start, strict=True))
    free[near] &= square >= distance**2
