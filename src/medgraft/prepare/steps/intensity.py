"""Bring the values of an image into [0, 1]."""

from __future__ import annotations

from typing import Self

import numpy as np
from pydantic import Field, model_validator

from medgraft.errors import ReadError
from medgraft.prepare.steps import Step, scaled, step
from medgraft.read.scan import Scan

NO_SCALE = {"MR", "NM", "PT"}  # modalities whose values have no fixed unit across machines
ENOUGH = 2**20  # values from which percentiles are taken: exact to 0.1 %, and quick


@step("intensity")
class Intensity(Step):
    """Map the range that the file declares to [0, 1]; where there is none, its own percentiles.

    An 8-bit picture is divided by 255, a 12-bit film by 4095: what is dark stays dark. Floats,
    HU, and MR, NM and PT of any depth have no such scale: there the two percentiles of the image
    become 0 and 1, so that one hot pixel cannot darken the rest. An image of one single value
    becomes 0 everywhere.
    """

    low: float = Field(0.5, ge=0, le=100)
    """Percentile that becomes 0."""
    high: float = Field(99.5, ge=0, le=100)
    """Percentile that becomes 1."""
    declared: bool = True
    """Use the declared range where there is one; false takes percentiles always."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low must be less than high, got low={self.low}, high={self.high}")
        return self

    def __call__(self, scan: Scan) -> Scan:
        """The scan as float32 in [0, 1].

        Raises:
            ReadError: If the image holds NaN or infinite values.
        """
        _refuse_holes(scan)
        low, high = self._limits(scan)
        return scaled(scan, _stretched(scan.array, low, high))

    def _limits(self, scan: Scan) -> tuple[float, float]:
        trusted = self.declared and (scan.modality not in NO_SCALE or scan.array.dtype == np.uint8)
        if scan.value_range is not None and trusted:
            return scan.value_range
        flat = scan.array.reshape(-1)
        sample = flat[:: -(-flat.size // ENOUGH)].astype(np.float64)
        low, high = np.percentile(sample, [self.low, self.high])
        if low < high:
            return float(low), float(high)
        return float(flat.min()), float(flat.max())  # a few bright pixels on a flat ground


def _refuse_holes(scan: Scan) -> None:
    if scan.array.dtype.kind == "f" and not np.isfinite(scan.array).all():
        holes = int((~np.isfinite(scan.array)).sum())
        raise ReadError(
            scan.source,
            f"{holes} of its {scan.array.size} values are NaN or infinite",
            "If they stand for background, add the step fill_nan before intensity.",
        )


def _stretched(array: np.ndarray, low: float, high: float) -> np.ndarray:
    """(array - low) / (high - low) as float32, clipped to [0, 1]."""
    if not low < high:
        return np.zeros(array.shape, np.float32)
    if array.dtype.itemsize > 2:  # whole numbers above 2**24 and doubles need more than float32
        return np.clip((array - np.float64(low)) / (high - low), 0, 1).astype(np.float32)
    share = np.float32(1 / (high - low))
    if low == 0 and array.dtype.kind == "u" and np.iinfo(array.dtype).max <= high:
        exact: np.ndarray = np.multiply(array, share, dtype=np.float32)
        return exact  # the usual 8-bit picture: one pass, nothing to clip
    result: np.ndarray = np.subtract(array, low, dtype=np.float32)
    result *= share
    np.clip(result, 0, 1, out=result)
    return result
