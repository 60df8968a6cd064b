"""Take grain away."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from medgraft.pretext.distorter import Distorter, Stage
from medgraft.pretext.tasks import Restoring, pretext


@pretext("denoising")
class Denoising(Restoring):
    """Restore an image from one with normal noise of a random strength."""

    source: ClassVar[str] = "Vincent et al. 2010, JMLR 11"

    low: float = Field(0.05, ge=0, le=1)
    """Least standard deviation of the noise, of values in [0, 1]."""
    high: float = Field(0.2, gt=0, le=1)
    """Greatest one."""

    def distorter(self, dims: int, *, as_published: bool = False) -> Distorter:
        """Noise on every image."""
        del as_published
        return Distorter([Stage((f"noise:low={self.low},high={self.high}",))], dims)
