"""Hide a box."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor

from medgraft.augment.streams import Stream
from medgraft.augment.transforms import Intensity, Shape, augmentation


@augmentation("cutout")
class Cutout(Intensity):
    """Paint boxes at random places with one grey; masks keep what lies under them.

    The side of a box is drawn uniformly from [low, high], its centre anywhere in the image.
    Where a lesion is small, a box can hide all of it and make the label wrong.
    """

    low: float = Field(default=0.1, ge=0, le=1)
    """Smallest side of a box, as a share of the image's."""
    high: float = Field(default=0.3, ge=0, le=1)
    """Largest side of a box."""
    boxes: int = Field(default=1, ge=1, le=16)
    """Boxes per image."""
    fill: float = Field(default=0.0, ge=0, le=1)
    """The grey."""
    p: float = Field(default=0.5, ge=0, le=1)
    """Probability that a sample is changed."""

    def draw(self, stream: Stream, shape: Shape) -> dict[str, npt.NDArray[Any]]:
        """`side`, (B, boxes), and `centre`, (B, boxes, D), as shares of the image."""
        side = self.low + (self.high - self.low) * stream.unit(self.boxes)
        centre = stream.unit(self.boxes * len(shape))
        return {"side": side, "centre": centre.reshape(-1, self.boxes, len(shape))}

    def change(self, images: Tensor, values: Mapping[str, Tensor]) -> Tensor:
        """The images with their boxes painted."""
        shape = images.shape[2:]
        hidden = torch.ones(len(images), self.boxes, *(1,) * len(shape), dtype=torch.bool)
        hidden = hidden.to(images.device)
        for axis, size in enumerate(shape):
            place = (torch.arange(size, device=images.device) + 0.5) / size
            offset = (place - values["centre"][:, :, axis, None]).abs()  # (B, boxes, size)
            inside = offset < values["side"][:, :, None] / 2
            hidden = hidden & inside.reshape(
                *inside.shape[:2], *(size if a == axis else 1 for a in range(len(shape)))
            )
        return images.masked_fill_(hidden.any(1, keepdim=True), self.fill)
