"""Erase the muscle of the chest on oblique views."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field
from scipy import ndimage

from medgraft.prepare.steps import Erasing, step
from medgraft.prepare.steps._breast import chest_is_left, find_breast
from medgraft.prepare.steps._film import enlarged, reduced
from medgraft.read.scan import Scan

POINTS = 48  # along each line that is tried
LINES = 48  # ends that are tried along each side
REACH = 4.0  # pixels of the small copy across the edge: the muscle fades over a few millimetres
SMOOTH = 1.5  # of the small copy before it, so that vessels do not count


@step("erase_pectoral")
class ErasePectoral(Erasing):
    """Blacken the pectoral muscle, the bright triangle in the upper corner of the chest wall.

    Its edge is taken for a straight line from the upper side of the breast to the chest wall: of
    all such lines the one across which brightness falls most, and most evenly along it. Views
    without such a line (craniocaudal ones, and muscles that dense tissue hides) stay whole.
    """

    dims: ClassVar[frozenset[int]] = frozenset({2})
    fall: float = Field(0.04, gt=0, lt=1)
    """Least fall of brightness across the edge, as a share of the film's range."""

    def kept(self, scan: Scan) -> np.ndarray:
        """What is not muscle, bool (rows, columns)."""
        small = reduced(scan)
        left = chest_is_left(small)
        small = small if left else small[:, ::-1]
        breast = find_breast(small)
        muscle = self._muscle(small, breast)
        muscle = muscle if left else muscle[:, ::-1]
        return ~enlarged(muscle, scan.array.shape[1:])

    def _muscle(self, small: np.ndarray, breast: np.ndarray) -> np.ndarray:
        """The muscle on a small copy whose chest wall lies to the left."""
        none = np.zeros(small.shape, bool)
        rows, columns = breast.any(axis=1), breast.any(axis=0)
        if rows.sum() < 32 or columns.sum() < 16:
            return none
        top, left = int(rows.argmax()), int(columns.argmax())
        height = int(rows.sum())
        width = int(breast[top : top + 4].any(axis=0).sum())
        if width < 12:
            return none
        across = np.linspace(0.15, 1.0, LINES) * width  # where the line leaves the upper side
        down = np.linspace(0.2, 1.1, LINES) * height  # where it would meet the chest wall
        fall = _fall(ndimage.gaussian_filter(small, SMOOTH), breast, top, left, across, down)
        best = np.unravel_index(fall.argmax(), fall.shape)
        if not fall[best] > self.fall:
            return none
        y, x = np.indices(small.shape)
        inside = (x - left) / across[best[0]] + (y - top) / down[best[1]] < 1
        return np.asarray(inside & breast)


def _fall(
    small: np.ndarray,
    breast: np.ndarray,
    top: int,
    left: int,
    across: np.ndarray,
    down: np.ndarray,
) -> np.ndarray:
    """How much darker it becomes across each line, away from the corner: (across, down).

    The lower quartile over the points of a line, so that one bright spot makes no muscle; a line
    of which a good part leaves the breast does not count.
    """
    share = (np.arange(POINTS) + 0.5) / POINTS
    x = left + across[:, None, None] * (1 - share)
    y = top + down[None, :, None] * share
    x, y = np.broadcast_arrays(x, y)
    length = np.hypot(across[:, None], down[None, :])[:, :, None]
    normal_x, normal_y = down[None, :, None] / length, across[:, None, None] / length
    within = _at(breast.astype(np.float32), x + REACH * normal_x, y + REACH * normal_y) > 0.5
    before = _at(small, x - REACH * normal_x, y - REACH * normal_y)
    after = _at(small, x + REACH * normal_x, y + REACH * normal_y)
    fall = np.where(within, before - after, 0)
    slant = (down[None, :] > 0.7 * across[:, None]) & (within.mean(axis=2) > 0.7)
    return np.where(slant, 0.5 * (np.quantile(fall, 0.25, axis=2) + fall.mean(axis=2)), 0)


def _at(values: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The nearest values; 0 beyond the border."""
    row, column = np.rint(y).astype(int), np.rint(x).astype(int)
    inside = (row >= 0) & (row < values.shape[0]) & (column >= 0) & (column < values.shape[1])
    found = values[row.clip(0, values.shape[0] - 1), column.clip(0, values.shape[1] - 1)]
    return np.where(inside, found, 0)
