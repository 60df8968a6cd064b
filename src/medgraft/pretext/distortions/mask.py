"""Hide many tiles."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from medgraft.augment.streams import Stream
from medgraft.errors import ShapeError
from medgraft.optional import require
from medgraft.pretext.distortions import Distortion, Numbers, Shape, Values, distortion


@distortion("mask")
class Mask(Distortion):
    """Paint a fixed share of equal tiles with one grey (SimMIM, Xie et al. 2022, arXiv:2111.09886).

    Which tiles is drawn per sample; that they are hidden is left to lightly (extra `contrast`),
    whose own draws belong to a batch.
    """

    tiles: int = Field(default=8, ge=2, le=64)
    """Along each axis; where they do not divide it, some are a voxel longer than others."""
    share: float = Field(default=0.6, gt=0, lt=1)
    """Share of the tiles that are hidden, to the nearest whole tile."""
    fill: float = Field(default=0.5, ge=0, le=1)
    """What they are painted with."""

    def hides(self, dims: int) -> int:
        """How many tiles are hidden: at least one, and not all.

        Examples:
            >>> Mask(tiles=8, share=0.6).hides(2), Mask(tiles=2, share=0.01).hides(3)
            (38, 1)
        """
        count: int = self.tiles**dims
        return min(max(round(self.share * count), 1), count - 1)

    def draw(self, stream: Stream, shape: Shape) -> Numbers:
        """`tiles`, (B, hidden): which are hidden, counted row by row."""
        if min(shape) < self.tiles:
            raise ShapeError(
                f"each axis must hold {self.tiles} tiles, got images of shape {shape};"
                " lower tiles or prepare larger images"
            )
        order = stream.unit(self.tiles ** len(shape)).argsort(axis=1)
        return {"tiles": order[:, : self.hides(len(shape))]}

    def change(self, images: Tensor, values: Values) -> Tensor:
        """The images with their tiles painted over."""
        return images.masked_fill(self.hidden(values, tuple(images.shape[2:])), self.fill)

    def hidden(self, values: Values, shape: Shape) -> Tensor:
        """The tiles."""
        lightly = require("lightly.models.utils", extra="contrast", purpose="hiding tiles")
        chosen = values["tiles"]
        seen = chosen.new_zeros(len(chosen), self.tiles ** len(shape), 1)
        masked = lightly.mask_at_index(seen, chosen, seen.new_ones(1, 1, 1))
        hidden: Tensor = masked.bool().reshape(-1, 1, *(self.tiles,) * len(shape))
        for axis, size in enumerate(shape, start=2):
            tile = torch.arange(size, device=hidden.device) * self.tiles // size
            hidden = hidden.index_select(axis, tile)
        return hidden
