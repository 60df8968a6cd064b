"""Hide what lies around a few windows."""

from __future__ import annotations

import math

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from medgraft.augment.streams import Stream
from medgraft.pretext import windows
from medgraft.pretext.distortions import Distortion, Numbers, Shape, Values, distortion
from medgraft.pretext.distortions.inpaint import MARGIN
from medgraft.pretext.windows import Integers
from medgraft.pretext.words import halfwords, new_keys

_SHOWN = 0.75  # of the image, by the first window


@distortion("outpaint")
class Outpaint(Distortion):
    """Fill everything but a few windows with uniform noise, the same in all channels.

    Zhou et al. (2021) hide at most a quarter. So the first window shows three quarters, its
    shape and place at random; further windows, with sides of about half the image's, lie anywhere
    and make its outline irregular. `as_published` there are only the windows of half the side, all
    three voxels from the border: they hide two thirds on average, and at least one third.
    """

    windows: int = Field(default=5, ge=1, le=10)
    """Most windows in an image; there is always one."""
    again: float = Field(default=0.95, ge=0, le=1)
    """Probability of each further window."""
    as_published: bool = False
    """Hide as much as the authors' code does."""

    def draw(self, stream: Stream, shape: Shape) -> Numbers:
        """`start` and `side`, (B, windows, D), sides of zero where there is none; `fill`, a key."""
        low = [size - 4 * size // 7 for size in shape]
        high = [size - 3 * size // 7 for size in shape]
        margin = MARGIN if self.as_published else 0
        start, side = windows.drawn(stream, self.windows, shape, low, high, margin)
        if not self.as_published:
            start[:, 0], side[:, 0] = _first(stream, shape)
        count = 1 + windows.continued(stream, self.windows - 1, self.again)
        side = windows.without(side, windows.used(count, self.windows))
        return {"start": start, "side": side, "fill": new_keys(stream)}

    def change(self, images: Tensor, values: Values) -> Tensor:
        """The images with noise around their windows."""
        shape = tuple(images.shape[2:])
        shown = windows.union(values["start"], values["side"], shape)
        noise = halfwords(values["fill"], math.prod(shape)).to(images.dtype)
        noise = noise.mul_(2.0**-16).add_(0.5).reshape(len(images), 1, *shape)
        return torch.where(shown, images, noise)

    def hidden(self, values: Values, shape: Shape) -> Tensor:
        """All but the windows."""
        return ~windows.union(values["start"], values["side"], shape)


def _first(stream: Stream, shape: Shape) -> tuple[Integers, Integers]:
    """A window that shows three quarters: what is cut off is shared among the axes at random."""
    sizes = np.array(shape)
    cuts = np.sort(stream.unit(len(shape) - 1), axis=1)
    share = np.ones((len(cuts), len(shape)))
    share[:, :-1] = cuts
    share[:, 1:] -= cuts
    side = np.ceil(sizes * _SHOWN**share).astype(np.int64)
    start = (stream.unit(len(shape)) * (sizes - side + 1)).astype(np.int64)
    return start, side
