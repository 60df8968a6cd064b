"""Hide one box."""

from __future__ import annotations

import numpy as np
from pydantic import Field
from torch import Tensor

from medgraft.augment.streams import Stream
from medgraft.pretext import windows
from medgraft.pretext.distortions import Distortion, Numbers, Shape, Values, distortion


@distortion("hole")
class Hole(Distortion):
    """Paint one box with one grey, in the centre or anywhere (context encoders, Pathak et al. 2016)."""

    share: float = Field(default=0.25, gt=0, le=0.9)
    """Share of the image that is hidden."""
    centred: bool = False
    """In the middle, as in the paper's first experiment, and not anywhere."""
    fill: float = Field(default=0.5, ge=0, le=1)
    """What it is painted with."""

    def draw(self, stream: Stream, shape: Shape) -> Numbers:
        """`start` and `side`, (B, 1, D)."""
        side = [max(1, round(size * self.share ** (1 / len(shape)))) for size in shape]
        start, sides = windows.drawn(stream, 1, shape, side, side, 0)
        middle = (np.array(shape) - side) // 2
        return {"start": np.where(self.centred, middle, start), "side": sides}

    def change(self, images: Tensor, values: Values) -> Tensor:
        """The images with their hole."""
        return images.masked_fill(self.hidden(values, tuple(images.shape[2:])), self.fill)

    def hidden(self, values: Values, shape: Shape) -> Tensor:
        """The box."""
        return windows.union(values["start"], values["side"], shape)
