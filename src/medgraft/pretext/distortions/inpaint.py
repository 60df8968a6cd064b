"""Hide windows."""

from __future__ import annotations

import math

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from medgraft.augment.streams import Stream
from medgraft.pretext import windows
from medgraft.pretext.distortions import Distortion, Numbers, Shape, Values, distortion
from medgraft.pretext.words import mixed, new_keys, unit, words

MARGIN = 3  # voxels along every border that no window covers


@distortion("inpaint")
class Inpaint(Distortion):
    """Fill a few windows with uniform noise, the same in all channels (Zhou et al. 2021).

    Their sides are a sixth to a third of the image's, at least three voxels from its border. As
    in the paper they hide at most a quarter: the first window that could make it more, and
    those after it, are left out (in volumes five windows never do). `as_published` lets them.
    """

    windows: int = Field(default=5, ge=1, le=10)
    """Most windows in an image."""
    again: float = Field(default=0.95, ge=0, le=1)
    """Probability of each further window, the first one included."""
    as_published: bool = False
    """Hide as much as comes."""

    def draw(self, stream: Stream, shape: Shape) -> Numbers:
        """`start` and `side`, (B, windows, D), sides of zero where there is none; `fill`, a key."""
        low, high = [size // 6 for size in shape], [size // 3 for size in shape]
        start, side = windows.drawn(stream, self.windows, shape, low, high, MARGIN)
        keep = windows.used(windows.continued(stream, self.windows, self.again), self.windows)
        if not self.as_published:
            keep &= np.cumsum(side.prod(axis=2), axis=1) <= np.prod(shape) / 4
        return {"start": start, "side": windows.without(side, keep), "fill": new_keys(stream)}

    def change(self, images: Tensor, values: Values) -> Tensor:
        """The images with noise in their windows."""
        count, channels, *shape = images.shape
        voxels = math.prod(shape)
        image = voxels * channels * torch.arange(count, dtype=torch.int32, device=images.device)
        sample, number = values["side"].any(2).nonzero(as_tuple=True)
        start, side = values["start"][sample, number].T, values["side"][sample, number].T
        place = windows.first_voxels(start, tuple(shape)).int() + image[sample]
        voxel = windows.listed(place, side, tuple(shape))
        # The number of a voxel depends on its key and its place in the image.
        word = words(values["fill"], 1)[:, 0] - image
        word = windows.repeated(word[sample], side.prod(0), len(voxel)).add_(voxel)
        noise = unit(mixed(word)).to(images.dtype)
        changed = images.clone(memory_format=torch.contiguous_format)
        for channel in range(channels):
            changed.view(-1).scatter_(0, voxel.long() + channel * voxels, noise)
        return changed

    def hidden(self, values: Values, shape: Shape) -> Tensor:
        """The windows."""
        return windows.union(values["start"], values["side"], shape)
