"""Make all sides of an image equally long."""

from __future__ import annotations

from typing import Literal

import numpy as np

from medgraft.prepare.grids import moved
from medgraft.prepare.steps import Step, step
from medgraft.read.scan import Scan


@step("pad_square")
class PadSquare(Step):
    """Add pixels on both ends of the shorter sides, so that a resize keeps proportions.

    A volume becomes a cube. The added pixels hold the least value that the image can have, or
    `fill=edge` repeats the outermost ones (better for stained tissue, whose ground is white).
    """

    fill: float | Literal["low", "edge"] = "low"
    """What the added pixels hold: `low`, `edge`, or a value in the units of the array."""

    def __call__(self, scan: Scan) -> Scan:
        """The scan with equal sides; pixels are added, never changed."""
        sizes = scan.array.shape[1:]
        before = [(max(sizes) - size) // 2 for size in sizes]
        widths = [(b, max(sizes) - size - b) for size, b in zip(sizes, before, strict=True)]
        if not any(map(any, widths)):
            return scan
        array = padded(scan, scan.array, [(0, 0), *widths], self.fill)
        return moved(scan, array, scales=[1.0] * scan.dims, offsets=[-float(b) for b in before])


def padded(
    scan: Scan, array: np.ndarray, widths: list[tuple[int, int]], fill: float | str
) -> np.ndarray:
    """`array`, which is all or part of `scan`, with pixels added as `fill` says."""
    if fill == "edge":
        return np.pad(array, widths, mode="edge")
    if fill == "low":
        value = scan.array.min() if scan.value_range is None else scan.value_range[0]
        return np.pad(array, widths, constant_values=value)
    return np.pad(array, widths, constant_values=float(fill))
