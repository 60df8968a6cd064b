"""Swap patches."""

from __future__ import annotations

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from medgraft.augment.streams import Stream
from medgraft.errors import ShapeError
from medgraft.pretext.distortions import Distortion, Numbers, Shape, Values, distortion


@distortion("patch_shuffle")
class PatchShuffle(Distortion):
    """Swap pairs of equal patches (context restoration, Chen et al. 2019).

    The image is cut into `tiles` equal parts along each axis; what is left over at the far
    border stays. Nothing is lost: the image only needs putting in order.
    """

    tiles: int = Field(default=8, ge=2, le=64)
    """Patches along each axis."""
    share: float = Field(default=0.5, gt=0, le=1)
    """Share of the patches that are swapped."""

    def draw(self, stream: Stream, shape: Shape) -> Numbers:
        """`source`, (B, patches): which patch each comes from, patches counted row by row."""
        if min(shape) < self.tiles:
            raise ShapeError(
                f"each axis must hold {self.tiles} patches, got images of shape {shape};"
                " lower tiles or prepare larger images"
            )
        count = self.tiles ** len(shape)
        pairs = max(1, int(count * self.share / 2))
        order = stream.unit(count).argsort(axis=1)
        left, right = order[:, :pairs], order[:, pairs : 2 * pairs]
        source = np.tile(np.arange(count), (len(order), 1))
        np.put_along_axis(source, left, right, axis=1)
        np.put_along_axis(source, right, left, axis=1)
        return {"source": source}

    def change(self, images: Tensor, values: Values) -> Tensor:
        """The images with patches in other places, alike in all channels."""
        sides = [size // self.tiles for size in images.shape[2:]]
        changed = images.clone(memory_format=torch.contiguous_format)
        region = (slice(None), slice(None), *(slice(self.tiles * side) for side in sides))
        tiled = images[region]
        dims = len(sides)
        cut = [size for side in sides for size in (self.tiles, side)]
        tiled = tiled.reshape(*images.shape[:2], *cut)
        tiles_first = [0, 1, *range(2, 2 + 2 * dims, 2), *range(3, 3 + 2 * dims, 2)]
        patches = tiled.permute(tiles_first).flatten(2, 1 + dims)  # (B, C, patches, *sides)
        source = values["source"].reshape(len(images), 1, -1, *(1,) * dims)
        patches = patches.take_along_dim(source, dim=2)
        patches = patches.reshape(*images.shape[:2], *(self.tiles,) * dims, *sides)
        back = np.argsort(tiles_first).tolist()
        whole = patches.permute(back)
        for axis in range(2, 2 + dims):
            whole = whole.flatten(axis, axis + 1)
        changed[region] = whole
        return changed
