"""Let the brightest tissue be white."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from medgraft.prepare.steps import Step, above_ground, scaled, step
from medgraft.prepare.steps.intensity import ENOUGH
from medgraft.read.scan import Scan


@step("stretch")
class Stretch(Step):
    """Scale the values so that a percentile of what is not black becomes 1.

    Black stays black, so what was erased stays erased, and a second time changes nothing. It makes
    films of 12 bits in files of 16, and faint exposures, alike.
    """

    high: float = Field(99.5, gt=50, le=100)
    """Percentile of the values above 0 that becomes 1."""

    def __call__(self, scan: Scan) -> Scan:
        """The scan as float32 in [0, 1]; an image that is black everywhere stays so."""
        values = above_ground(scan)
        flat = values.reshape(-1)
        sample = flat[:: -(-flat.size // ENOUGH)]
        sample = sample[sample > 0]
        high = float(np.percentile(sample, self.high)) if sample.size else 1.0
        array = np.minimum(values * np.float32(1 / high), 1)
        return scaled(scan, array)
