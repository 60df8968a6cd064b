"""Shuffle voxels within small windows."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from medgraft.augment.streams import Stream
from medgraft.pretext.distortions import Distortion, Numbers, Shape, Values, distortion
from medgraft.pretext.shuffling import random_windows, sources
from medgraft.pretext.words import new_keys

_PUBLISHED = 10_000


@distortion("local_shuffle")
class LocalShuffle(Distortion):
    """Permute the voxels of thousands of small windows, alike in all channels (Zhou et al. 2021).

    The sides of a window are uniform from 1 to a tenth of the image's, axis by axis. Windows
    act one after the other, so the result is a permutation: no value is lost or doubled, and
    each window moves a voxel by less than its side. `as_published`, every window reads the
    image as it was, and later windows write over earlier ones.
    """

    windows: int | None = Field(default=None, ge=1, le=32_767)
    """Windows per image. Unless given, 10,000 in a volume and 1,000 in a flat image: they then
    cover each voxel about twice. `as_published`, 10,000 in both."""
    as_published: bool = False
    """Read every window from the undistorted image, which loses about a fifth of its values."""

    def draw(self, stream: Stream, shape: Shape) -> Numbers:
        """`windows` and `order`: keys of the windows and of their permutations."""
        del shape
        return {"windows": new_keys(stream), "order": new_keys(stream)}

    def change(self, images: Tensor, values: Values) -> Tensor:
        """The images with their voxels in other places."""
        count, channels, *shape = images.shape
        start, side = self.boxes(values, tuple(shape))
        source = sources(
            values["order"], start, side, tuple(shape), in_sequence=not self.as_published
        )
        moved = [
            images[:, channel].flatten().index_select(0, source).reshape(count, *shape)
            for channel in range(channels)
        ]
        return torch.stack(moved, dim=1)

    def boxes(self, values: Values, shape: Shape) -> tuple[Tensor, Tensor]:
        """Starts and sides of the windows, int32, both of shape (B, D, windows)."""
        few = self.windows is None and len(shape) == 2 and not self.as_published
        count = self.windows or (_PUBLISHED // 10 if few else _PUBLISHED)
        largest = tuple(max(1, size // 10) for size in shape)
        return random_windows(values["windows"], count, shape, largest)
