"""Keep the values between two limits."""

from __future__ import annotations

from typing import Self

import numpy as np
from pydantic import model_validator

from medgraft.prepare.steps import Step, scaled, step
from medgraft.read.scan import Scan


@step("window", example="window:low=-1000,high=400")
class Window(Step):
    """Map `low` to 0 and `high` to 1; what lies outside becomes 0 or 1.

    Limits are in the units of the file (HU in CT). For the window that a DICOM file itself
    asks for, use `file_window` instead.
    """

    low: float
    """Value that becomes 0."""
    high: float
    """Value that becomes 1."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low must be less than high, got low={self.low}, high={self.high}")
        return self

    def __call__(self, scan: Scan) -> Scan:
        """The scan as float32 in [0, 1]."""
        share = (scan.array.astype(np.float64) - self.low) / (self.high - self.low)
        array = np.clip(share, 0, 1).astype(np.float32)
        return scaled(scan, array)
