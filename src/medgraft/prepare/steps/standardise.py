"""Give every image the same mean and the same contrast."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from medgraft.prepare.steps import Step, scaled, step
from medgraft.read.scan import Scan


@step("standardise")
class Standardise(Step):
    """Put the mean of the image at 0.5 and `limit` standard deviations at 0 and 1.

    That is the z-score, squeezed into [0, 1] so that it can be stored; what lies further out
    is clipped. It removes differences of exposure between machines, and with them whatever the
    exposure said about the patient.
    """

    limit: float = Field(3.0, gt=0)
    """Standard deviations on either side of the mean that [0, 1] spans."""

    def __call__(self, scan: Scan) -> Scan:
        """The scan as float32 in [0, 1]; an image of one single value becomes 0.5."""
        values = scan.array.astype(np.float64)
        spread = float(values.std())
        score = (values - values.mean()) / (spread if spread > 0 else 1.0)
        array = np.clip(0.5 + score / (2 * self.limit), 0, 1).astype(np.float32)
        return scaled(scan, array)
