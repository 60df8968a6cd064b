"""Bring every image to the same distance between pixels."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from medgraft.errors import ReadError
from medgraft.prepare.grids import on_grid
from medgraft.prepare.steps import Step, step
from medgraft.read.scan import Scan

Millimetres = Annotated[float, Field(gt=0)]
LARGEST = 2**28  # pixels; a target far below the real spacing would fill the memory


@step("resample", example="resample:spacing_mm=1.0")
class Resample(Step):
    """Give neighbouring pixels the same distance in every image, in millimetres.

    Sizes still differ between patients afterwards. The centre of the image stays where it is;
    its outer edges move by less than half a new pixel.
    """

    spacing_mm: Millimetres | tuple[Millimetres, ...]
    """Distance along every axis, or one number per spatial axis (``spacing_mm=3.0;1.0;1.0``)."""

    def __call__(self, scan: Scan) -> Scan:
        """The scan as float32 with the new spacing.

        Raises:
            ReadError: If the file does not say its spacing, if `spacing_mm` has another number of
                values than the scan has axes, or if the result would be larger than 2**28 pixels.
        """
        targets = self._targets(scan)
        spacing = scan.spacing_mm or ()
        scales = [target / old for target, old in zip(targets, spacing, strict=True)]
        old_sizes = scan.array.shape[1:]
        sizes = [max(1, round(n / scale)) for n, scale in zip(old_sizes, scales, strict=True)]
        _refuse_huge(scan, sizes)
        offsets = [
            (old - 1) / 2 - scale * (new - 1) / 2
            for old, new, scale in zip(old_sizes, sizes, scales, strict=True)
        ]
        return on_grid(scan, sizes, scales=scales, offsets=offsets)

    def _targets(self, scan: Scan) -> tuple[float, ...]:
        if scan.spacing_mm is None:
            raise ReadError(
                scan.source,
                "resample needs the distance between pixels, and the file does not say it",
                "Use resize for pictures without millimetres.",
            )
        if not isinstance(self.spacing_mm, tuple):
            return (self.spacing_mm,) * scan.dims
        if len(self.spacing_mm) != scan.dims:
            raise ReadError(
                scan.source,
                f"it has {scan.dims} spatial axes, and resample names {len(self.spacing_mm)}",
                "Give resample one number, or one per spatial axis.",
            )
        return self.spacing_mm


def _refuse_huge(scan: Scan, sizes: list[int]) -> None:
    total = scan.channels
    for size in sizes:
        total *= size
    if total > LARGEST:
        raise ReadError(
            scan.source,
            f"resampled it would have {' x '.join(map(str, sizes))} pixels",
            "Choose a larger spacing_mm, or correct the spacing in the file.",
        )
