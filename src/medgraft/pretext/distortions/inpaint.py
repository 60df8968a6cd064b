"""Hide windows."""

from __future__ import annotations

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from medgraft.augment.streams import Stream
from medgraft.pretext import windows
from medgraft.pretext.distortions import Distortion, Numbers, Shape, Values, distortion
from medgraft.pretext.words import new_keys, unit, words

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
        return torch.where(
            self.hidden(values, tuple(images.shape[2:])), noise(images, values["fill"]), images
        )

    def hidden(self, values: Values, shape: Shape) -> Tensor:
        """The windows."""
        return windows.union(values["start"], values["side"], shape)


def noise(images: Tensor, keys: Tensor) -> Tensor:
    """Numbers uniform in [0, 1) for every voxel, shape (B, 1, *S), in the type of the images."""
    voxels = images[0, 0].numel()
    return unit(words(keys, voxels)).to(images.dtype).reshape(len(images), 1, *images.shape[2:])
