"""Give a value to pixels that have none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from medgraft.prepare.steps import Step, step
from medgraft.read.scan import Scan


@step("fill_nan")
class FillNan(Step):
    """Replace NaN and infinite values, which some tools write for background."""

    value: float | None = None
    """What to put there, in the units of the file; by default the least finite value."""

    def __call__(self, scan: Scan) -> Scan:
        """The scan without NaN and infinite values."""
        good = np.isfinite(scan.array)
        if good.all():
            return scan
        least = scan.array[good].min() if good.any() else 0.0
        value = least if self.value is None else self.value
        return replace(scan, array=np.where(good, scan.array, value).astype(scan.array.dtype))
