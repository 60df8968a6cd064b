"""Bring every image to the same number of pixels without scaling it."""

from __future__ import annotations

from typing import Literal

import numpy as np

from medgraft.errors import ReadError
from medgraft.prepare.grids import moved
from medgraft.prepare.steps import Step, step
from medgraft.prepare.steps.pad_square import padded
from medgraft.prepare.steps.resize import Pixels
from medgraft.read.scan import Scan


@step("crop_or_pad", example="crop_or_pad:side=32")
class CropOrPad(Step):
    """Cut what is too long and pad what is too short, alike on both ends of each axis.

    After `resample` it gives volumes of one shape in which a millimetre stays a millimetre.
    What lies beyond `side` around the middle is lost; choose it from the largest volumes.
    """

    side: Pixels | tuple[Pixels, ...]
    """Pixels along every axis, or one number per spatial axis (``side=64;64;32``)."""
    fill: float | Literal["low", "edge"] = "low"
    """What added pixels hold: `low`, `edge`, or a value in the units of the array."""

    def __call__(self, scan: Scan) -> Scan:
        """The scan with `side` pixels; pixels are cut or added, never changed.

        Raises:
            ReadError: If `side` has another number of values than the scan has axes.
        """
        sides = self.side if isinstance(self.side, tuple) else (self.side,) * scan.dims
        if len(sides) != scan.dims:
            raise ReadError(
                scan.source,
                f"it has {scan.dims} spatial axes, and crop_or_pad:side names {len(sides)}",
                "Give crop_or_pad one number, or one per spatial axis.",
            )
        sizes = scan.array.shape[1:]
        if sizes == tuple(sides):
            return scan
        # Cut and padding are halved alike, so that what was padded is cut to the same pixels.
        starts = [(size - side) // 2 for size, side in zip(sizes, sides, strict=True)]
        cut = [
            slice(max(start, 0), max(start, 0) + side)
            for start, side in zip(starts, sides, strict=True)
        ]
        widths = [
            (max(-start, 0), max(side - size + min(start, 0), 0))
            for start, size, side in zip(starts, sizes, sides, strict=True)
        ]
        array = padded(scan, scan.array[:, *cut], [(0, 0), *widths], self.fill)
        return moved(
            scan,
            np.ascontiguousarray(array),
            scales=[1.0] * scan.dims,
            offsets=list(map(float, starts)),
        )
