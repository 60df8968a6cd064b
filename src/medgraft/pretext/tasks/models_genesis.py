"""Restore an image that was shuffled, remapped and painted over."""

from __future__ import annotations

from typing import ClassVar

from medgraft.pretext import genesis
from medgraft.pretext.distorter import Distorter
from medgraft.pretext.tasks import Restoring, pretext


@pretext("models_genesis")
class ModelsGenesis(Restoring):
    """Models Genesis: four distortions at once, one network restores them all.

    Covered by patents in the United States (10,956,785; 11,763,952; 12,469,315); using it there
    may need a licence.
    """

    source: ClassVar[str] = "Zhou et al. 2021, doi:10.1016/j.media.2020.101840"
    published: ClassVar[bool] = True

    def distorter(self, dims: int, *, as_published: bool = False) -> Distorter:
        """Flips of image and target, then shuffling, an intensity curve, painting."""
        return genesis.models_genesis(dims, as_published=as_published)
