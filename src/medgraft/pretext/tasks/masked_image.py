"""Fill in hidden tiles."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from medgraft.optional import require
from medgraft.pretext.distorter import Distorter, Stage
from medgraft.pretext.tasks import Restoring, pretext


@pretext("masked_image")
class MaskedImage(Restoring):
    """Restore tiles from those that are not hidden; the loss counts hidden ones alone.

    SimMIM, made for a convolutional encoder: hidden tiles are grey and stay in the image, in place
    of tokens of a transformer; encoder and decoder are those of every restoring task, in 2-D and
    3-D; and errors are squared. Sparse convolutions (SparK, Tian et al. 2023, arXiv:2301.03580) keep
    hidden tiles out of the encoder, but a tile must then be as large as its deepest stride: of
    64 pixels under a ResNet there would be four.
    """

    source: ClassVar[str] = "Xie et al. 2022 (SimMIM), arXiv:2111.09886"
    only_hidden: ClassVar[bool] = True

    tiles: int = Field(8, ge=2, le=64)
    """Along each axis."""
    share: float = Field(0.6, gt=0, lt=1)
    """Share of the tiles that are hidden."""

    def check(self, *, as_published: bool = False) -> None:
        """It needs the extra `contrast`."""
        require("lightly.models.utils", extra="contrast", purpose="the pretext task masked_image")
        super().check(as_published=as_published)

    def distorter(self, dims: int, *, as_published: bool = False) -> Distorter:
        """Tiles of every image are hidden."""
        del as_published
        return Distorter([Stage((f"mask:tiles={self.tiles},share={self.share}",))], dims)
