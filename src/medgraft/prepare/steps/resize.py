"""Bring every image to the same number of pixels."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from medgraft.errors import ReadError
from medgraft.prepare.grids import on_grid
from medgraft.prepare.steps import Step, step
from medgraft.read.scan import Scan

Pixels = Annotated[int, Field(ge=1, le=8192)]


@step("resize", example="resize:side=64")
class Resize(Step):
    """Give the image `side` pixels along every axis: area means to shrink, linear to enlarge.

    Proportions change unless the sides were equal; put `pad_square` before it to keep them.
    Any input works, down to a single pixel.
    """

    side: Pixels | tuple[Pixels, ...]
    """Pixels along every axis, or one number per spatial axis (``side=96;64``)."""

    def __call__(self, scan: Scan) -> Scan:
        """The scan as float32 of the new size; it shows the same stretch of the patient.

        Raises:
            ReadError: If `side` has another number of values than the scan has axes.
        """
        sides = self.side if isinstance(self.side, tuple) else (self.side,) * scan.dims
        if len(sides) != scan.dims:
            raise ReadError(
                scan.source,
                f"it has {scan.dims} spatial axes, and resize:side names {len(sides)}",
                "Give resize one number, or one per spatial axis.",
            )
        scales = [old / new for old, new in zip(scan.array.shape[1:], sides, strict=True)]
        offsets = [(scale - 1) / 2 for scale in scales]  # outer edges stay where they are
        return on_grid(scan, sides, scales=scales, offsets=offsets)
