"""Moving an image to another grid: averaging when it shrinks, interpolating when it grows.

Along each axis the new value number n stands for the stretch of old pixels around the old
position ``offset + scale * n``. Where the new grid is coarser (scale > 1) the value is the mean
over that stretch, pixels at its ends counted by the part that lies inside; nothing between two
samples is skipped, so fine texture cannot turn into false waves. Where it is finer, the value
is interpolated linearly, and beyond the outermost pixel centres the outermost value holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from scipy.sparse import csr_array

from medgraft.read.scan import Scan


def on_grid(
    scan: Scan, sizes: Sequence[int], *, scales: Sequence[float], offsets: Sequence[float]
) -> Scan:
    """The scan on a new grid, its spacing and affine moved with it.

    Args:
        scan: The scan as it is.
        sizes: New number of pixels along each spatial axis.
        scales: Old pixels per new pixel, along each spatial axis.
        offsets: Old position of the centre of new pixel 0, along each spatial axis.
    """
    array = scan.array
    for axis, (size, scale, offset) in enumerate(zip(sizes, scales, offsets, strict=True), start=1):
        if (size, scale, offset) != (array.shape[axis], 1.0, 0.0):
            array = along(array, axis, size, scale, offset)
    return moved(scan, array.astype(np.float32, copy=False), scales=scales, offsets=offsets)


def moved(
    scan: Scan, array: np.ndarray, *, scales: Sequence[float], offsets: Sequence[float]
) -> Scan:
    """`scan` with a new array whose pixel n lies at old position ``offset + scale * n``."""
    spacing, affine = scan.spacing_mm, scan.affine
    if spacing is not None:
        spacing = tuple(s * scale for s, scale in zip(spacing, scales, strict=True))
    if affine is not None:
        change = np.eye(4)
        axes = range(scan.dims)
        change[axes, axes] = scales
        change[: scan.dims, 3] = offsets
        affine = affine @ change
    return replace(scan, array=array, spacing_mm=spacing, affine=affine)


def along(array: np.ndarray, axis: int, size: int, scale: float, offset: float) -> np.ndarray:
    """Average or interpolate along one axis: `size` values at ``offset + scale * n``, scale > 0."""
    weights = _weights(array.shape[axis], size, scale, offset)
    front = array.swapaxes(0, axis)
    kind = front.dtype if front.dtype.kind == "f" else np.dtype(np.float32)
    flat = np.ascontiguousarray(front, dtype=kind).reshape(front.shape[0], -1)
    result: np.ndarray = (weights @ flat).reshape(-1, *front.shape[1:])
    return result.swapaxes(0, axis)


@lru_cache(maxsize=256)  # archives hold few distinct sizes, and each comes many times
def _weights(old: int, new: int, scale: float, offset: float) -> csr_array:
    """Matrix (new, old) that averages or interpolates; each row sums to one."""
    centres = offset + scale * np.arange(new)
    columns, values = (_means if scale > 1 else _between)(old, scale, centres)
    values = values / values.sum(axis=1, keepdims=True)
    rows = np.broadcast_to(np.arange(new)[:, None], columns.shape)
    keep = values > 0
    return csr_array(
        (values[keep].astype(np.float32), (rows[keep], columns[keep])), shape=(new, old)
    )


def _means(old: int, scale: float, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Overlap of each old pixel with the stretch of `scale` old pixels around each centre."""
    # In coordinates of edges: pixel p covers [p, p + 1], so its centre lies at p + 0.5.
    low = np.clip(centres + 0.5 - scale / 2, 0, old - 1e-6)[:, None]
    high = np.clip(centres + 0.5 + scale / 2, 1e-6, old)[:, None]
    columns = np.floor(low).astype(np.int64) + np.arange(int(np.ceil(scale)) + 1)
    overlap = np.minimum(high, columns + 1) - np.maximum(low, columns)
    inside = columns < old
    return np.where(inside, columns, 0), np.where(inside, overlap.clip(min=0), 0.0)


def _between(old: int, _: float, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The two old pixels around each centre, the nearer one weighing more."""
    centres = np.clip(centres, 0, old - 1)
    left = np.minimum(np.floor(centres).astype(np.int64), max(old - 2, 0))
    share = centres - left
    columns = np.stack([left, np.minimum(left + 1, old - 1)], axis=1)
    return columns, np.stack([1 - share, share], axis=1)
