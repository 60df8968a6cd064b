"""Put patches back in their places."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from medgraft.pretext.distorter import Distorter, Stage
from medgraft.pretext.tasks import Restoring, pretext


@pretext("patch_shuffle")
class PatchShuffle(Restoring):
    """Restore an image in which pairs of patches were swapped (context restoration)."""

    source: ClassVar[str] = "Chen et al. 2019, doi:10.1016/j.media.2019.101539"

    tiles: int = Field(8, ge=2, le=64)
    """Patches along each axis."""
    share: float = Field(0.5, gt=0, le=1)
    """Share of the patches that are swapped."""

    def distorter(self, dims: int, *, as_published: bool = False) -> Distorter:
        """Swapped patches in every image."""
        del as_published
        spec = f"patch_shuffle:tiles={self.tiles},share={self.share}"
        return Distorter([Stage((spec,))], dims)
