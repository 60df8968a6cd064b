"""What makes two images the same, or nearly the same."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from itertools import combinations_with_replacement
from pathlib import Path

import numpy as np

from medgraft.files import sha256

SIDE = {2: 32, 3: 16}  # the image is averaged down to this before the cosine transform
KEPT = {2: 8, 3: 4}  # lowest frequencies per axis: 8 x 8 or 4 x 4 x 4, 64 bits either way
MOST = 1_000_000  # pairs; more would fill the memory and tell nobody more
BLOCK = 2048  # rows compared at a time: 2048 x 2048 hashes are 32 MiB


def content_id(path: Path) -> str:
    """SHA-256 of a file, or of the hashes of a folder's files whatever their names."""
    if not path.is_dir():
        return sha256(path)
    parts = sorted(sha256(f) for f in path.iterdir() if f.is_file() and f.name[0] != ".")
    return hashlib.sha256("".join(parts).encode()).hexdigest()


def array_id(array: np.ndarray) -> str:
    """SHA-256 of an array's values, shape and kind, for an image that is part of an archive."""
    head = f"{array.dtype.str}{array.shape}".encode()
    return hashlib.sha256(head + np.ascontiguousarray(array).tobytes()).hexdigest()


def perceptual(array: np.ndarray) -> int | None:
    """A 64-bit hash that changes little when an image is compressed, scaled or brightened.

    The image is averaged down, transformed by a discrete cosine transform, and each of the
    lowest 64 frequencies gives one bit: above the median or not. The number of bits in which
    two images differ grows with how different they look. Turning or mirroring an image
    changes its hash.

    Args:
        array: Shape (C, *spatial) with two or three spatial axes; channels are averaged.

    Returns:
        The hash; None for an image that is constant or holds NaN or infinity: it has no look.
    """
    grey = _grey(array)
    waves = _along_axes(grey, lambda size: _cosines(size, SIDE[grey.ndim], KEPT[grey.ndim]))
    spread = float(np.ptp(grey))
    if not np.isfinite(spread) or spread == 0:
        return None
    bits = waves > np.sort(waves[1:])[len(waves) // 2 - 1]  # the median of an odd number
    bits[0] = False  # the mean brightness says nothing about the look
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def thumbnail(array: np.ndarray) -> np.ndarray:
    """A small grey copy of an image with mean 0 and length 1: a product compares two.

    Args:
        array: Shape (C, *spatial).

    Returns:
        Shape (1024,) of a picture, (4096,) of a volume, float32; zeros for a constant image.
    """
    grey = _grey(array)
    small = _along_axes(grey, lambda size: _averages(size, SIDE[grey.ndim]))
    small = small - small.mean()
    unit: np.ndarray = small / max(float(np.linalg.norm(small)), 1e-12)
    return unit.astype(np.float32)


def _grey(array: np.ndarray) -> np.ndarray:
    if len(array) == 1:
        return np.asarray(array[0], dtype=np.float32)
    grey: np.ndarray = array.mean(axis=0, dtype=np.float32)
    return grey


def _along_axes(grey: np.ndarray, weights: Callable[[int], np.ndarray]) -> np.ndarray:
    """Apply a matrix along each axis, chosen by the size of the axis; flat result."""
    small = grey
    for axis, size in enumerate(grey.shape):
        matrix = weights(size).astype(np.float32)
        small = np.moveaxis(np.tensordot(matrix, small, axes=(1, axis)), 0, axis)
    return small.ravel()


@lru_cache(maxsize=256)
def _cosines(size: int, side: int, kept: int) -> np.ndarray:
    """Averaging of `size` values to `side` and their lowest `kept` cosines, in one matrix."""
    k = np.arange(kept)[:, None]
    n = np.arange(side)[None]
    dct = np.cos(np.pi * k * (2 * n + 1) / (2 * side))
    weights: np.ndarray = dct @ _averages(size, side)
    return weights


@lru_cache(maxsize=256)
def _averages(size: int, side: int) -> np.ndarray:
    """Shape (side, size): each row averages the stretch of the image that falls into one cell."""
    edges = np.linspace(0, size, side + 1)
    low, high = edges[:-1, None], edges[1:, None]
    pixel = np.arange(size)[None]
    share = np.clip(np.minimum(high, pixel + 1) - np.maximum(low, pixel), 0, 1)
    weights: np.ndarray = share / share.sum(axis=1, keepdims=True)
    return weights


def near_pairs(hashes: np.ndarray, distance: int, *, most: int = MOST) -> np.ndarray:
    """Pairs whose perceptual hashes differ in at most `distance` bits.

    Args:
        hashes: Shape (N,), uint64.
        distance: Bits, in [0, 64].
        most: Stop looking once so many are found: thousands of blank patches make millions.

    Returns:
        Shape (M, 3), int64: row i, row j > i, bits in which they differ; sorted.

    Examples:
        >>> near_pairs(np.array([0b0000, 0b0111, 0b0001], dtype=np.uint64), 2)
        array([[0, 2, 1],
               [1, 2, 2]])
    """
    found = [np.empty((0, 3), dtype=np.int64)]
    starts = range(0, len(hashes), BLOCK)
    for i, j in combinations_with_replacement(starts, 2):
        bits = np.bitwise_count(hashes[i : i + BLOCK, None] ^ hashes[None, j : j + BLOCK])
        a, b = np.nonzero(bits <= distance)
        pairs = np.stack([a + i, b + j, bits[a, b]], axis=1).astype(np.int64)
        found.append(pairs[pairs[:, 0] < pairs[:, 1]])
        if sum(map(len, found)) >= most:
            break
    pairs = np.concatenate(found)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))][:most]
