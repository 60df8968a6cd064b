"""Mirror an image and its target alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medgraft.augment.streams import Stream


@dataclass(frozen=True)
class Flips:
    """Up to `most` mirrorings, one after the other, each along an axis drawn anew.

    Two along the same axis cancel.

    Attributes:
        p: Probability of each further one, the first one included.
        most: How many there can be.
        as_published: Draw the axis of an array (C, *S) among the first D axes: then mirroring
            channels changes nothing, and the last spatial axis is never mirrored. Otherwise all
            spatial axes are equally likely.
    """

    p: float = 0.4
    most: int = 3
    as_published: bool = False

    def draw(self, stream: Stream, dims: int) -> npt.NDArray[np.bool_]:
        """Which axes are mirrored in the end, shape (B, dims)."""
        numbers = stream.unit(2 * self.most)
        again = np.cumprod(numbers[:, : self.most] < self.p, axis=1)
        axis = (numbers[:, self.most :] * dims).astype(np.int64)
        axis -= self.as_published  # -1: the channels
        hits = again[:, :, None] * (axis[:, :, None] == np.arange(dims))
        odd: npt.NDArray[np.bool_] = hits.sum(axis=1) % 2 == 1
        return odd
