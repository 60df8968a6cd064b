"""Cut away what was erased around the rest."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from medgraft.prepare.grids import moved
from medgraft.prepare.steps import Step, ground_of, step
from medgraft.read.scan import Scan


@step("crop_to_kept")
class CropToKept(Step):
    """Keep the box around everything brighter than the least value that the image can hold.

    That value is what erasing leaves behind, so the box is that of what was kept. An image in which
    nothing was erased at its border is left as it is.
    """

    dims: ClassVar[frozenset[int]] = frozenset({2, 3})

    def __call__(self, scan: Scan) -> Scan:
        """The part of the scan that was kept; never empty."""
        lit = np.asarray((scan.array > ground_of(scan)).any(axis=0))
        axes = range(lit.ndim)
        lines = [np.any(lit, axis=tuple(a for a in axes if a != axis)) for axis in axes]
        if not lines[0].any():
            return scan
        box = [(int(line.argmax()), len(line) - int(line[::-1].argmax())) for line in lines]
        array = scan.array[:, *(slice(*side) for side in box)]
        if array.shape == scan.array.shape:
            return scan
        offsets = [float(low) for low, _ in box]
        return moved(scan, np.ascontiguousarray(array), scales=[1.0] * scan.dims, offsets=offsets)
