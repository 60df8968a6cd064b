"""Turn the optical density of a film into brightness."""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from medgraft.errors import ReadError
from medgraft.prepare.steps import Step, scaled, step
from medgraft.read.scan import Scan


@step("density_window", example="density_window:low=0.2")
class DensityWindow(Step):
    """Map the optical density `high`, and all that is darker, to 0, and `low` to 1.

    One window for all films and scanners: what is equally dark on two films is equally dark after it,
    which no stretching of grey levels can do. The limits are those of the publishers of DDSM
    (M. Heath, University of South Florida, 1997: 0.05 to 3.6). A reader says whether values are
    densities (`Scan.unit`); for DDSM it is asked with ``film.LJPEG#optical_density``.
    """

    low: float = Field(0.05, ge=0)
    """Density that becomes 1: clear film."""
    high: float = Field(3.6, gt=0)
    """Density that becomes 0."""
    other: Literal["keep", "refuse"] = "keep"
    """What becomes of images whose densities are not known: left as they are, or refused."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low must be less than high, got low={self.low}, high={self.high}")
        return self

    def __call__(self, scan: Scan) -> Scan:
        """Densities as brightness, float32 in [0, 1].

        Raises:
            ReadError: If its values are not known to be densities and such images are refused.
        """
        if scan.unit == "OD":
            share = (self.high - scan.array.astype(np.float64)) / (self.high - self.low)
            return scaled(scan, share.clip(0, 1).astype(np.float32))
        if self.other == "keep":
            return scan
        raise ReadError(
            scan.source,
            "its values are not known to be optical densities",
            "Index films of DDSM with --path '{film}#optical_density'; of other films leave out"
            " the choice contrast=density, or the step.",
        )
