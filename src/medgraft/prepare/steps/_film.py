"""What the steps for films share: a small copy to look at, masks brought back to full size.

Everything that is decided about a film (where the breast lies, what is tape) is decided on a copy
of at most `SIDE` pixels, where labelling is cheap and dust is averaged away. The copy is made
of area means around centres that lie symmetrically, so a mirrored film has a mirrored copy.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from medgraft.prepare.grids import along
from medgraft.prepare.steps import ground_of
from medgraft.read.scan import Scan

SIDE = 256
BINS = 256


def reduced(scan: Scan) -> np.ndarray:
    """A grey copy of at most `SIDE` pixels along each side, 0 (ground) to 1 (its brightest pixel).

    Returns:
        float32 (rows, columns); all zeros for a film of one value.
    """
    grey = scan.array[0] if scan.channels == 1 else scan.array.mean(axis=0, dtype=np.float32)
    small: np.ndarray = grey.astype(np.float32, copy=False)
    factor = max(1.0, max(grey.shape) / SIDE)
    for axis, size in enumerate(grey.shape):
        new = max(1, round(size / factor))
        if new != size:
            small = along(small, axis, new, size / new, (size / new - 1) / 2)
    small = np.maximum(small - np.float32(ground_of(scan)), 0)  # means round below the ground
    most = float(small.max())
    return small / np.float32(most) if most > 0 else np.zeros_like(small)


def enlarged(mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A mask of the small copy on the grid of the film, its stairs made smooth."""
    if mask.shape == shape:
        return mask
    soft = mask.astype(np.float32)
    for axis, size in enumerate(shape):
        old = mask.shape[axis]
        if old != size:
            soft = along(soft, axis, size, old / size, (old / size - 1) / 2)
    grown: np.ndarray = soft >= 0.5
    return grown


def otsu(values: np.ndarray) -> float:
    """The threshold between two groups of values in [0, 1] (Otsu 1979, doi:10.1109/TSMC.1979.4310076).

    Examples:
        >>> 0.1 < otsu(np.array([0.1, 0.1, 0.1, 0.8, 0.9])) < 0.8
        True
    """
    counts, edges = np.histogram(values, BINS, (0, 1))
    middles = (edges[1:] + edges[:-1]) / 2
    weight, moment = np.cumsum(counts), np.cumsum(counts * middles)
    both = weight * (weight[-1] - weight)
    spread = (moment[-1] * weight / weight[-1] - moment) ** 2
    between = np.divide(spread, both, out=np.zeros(BINS), where=both > 0)
    return float(edges[1:][between.argmax()])


def largest(mask: np.ndarray) -> np.ndarray:
    """The largest connected part of a mask; all False if it has none."""
    labels, count = ndimage.label(mask)
    if count < 2:
        return mask
    sizes = np.bincount(labels.ravel())
    return np.asarray(labels == 1 + sizes[1:].argmax())


def disc(radius: int) -> np.ndarray:
    """A disc as a structuring element, (2 radius + 1) pixels wide."""
    rows, columns = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    return np.asarray(rows**2 + columns**2 <= radius * (radius + 1))
