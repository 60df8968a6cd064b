"""Lighter or darker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor

from medgraft.augment.streams import Stream
from medgraft.augment.transforms import Linear, Shape, augmentation


@augmentation("brightness")
class Brightness(Linear):
    """Add a constant, so that mid-grey (0.5) becomes a level drawn uniformly from [low, high].

    The default range is that of fastai, which adds to the *logit* of a pixel instead:
    mid-grey moves alike, black and white move less there. Adding is what lets brightness and
    contrast become one multiplication. Values beyond [0, 1] are cut off, once, after all
    linear changes.
    """

    low: float = Field(default=0.4, ge=0, le=1)
    """Darkest level of mid-grey."""
    high: float = Field(default=0.6, ge=0, le=1)
    """Lightest level of mid-grey."""

    def draw(self, stream: Stream, shape: Shape) -> dict[str, npt.NDArray[Any]]:
        """`level`: what mid-grey becomes."""
        del shape
        return {"level": stream.uniform(self.low, self.high)}

    def line(self, values: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Gain 1."""
        return torch.ones_like(values["level"]), values["level"] - 0.5
