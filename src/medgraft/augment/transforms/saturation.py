"""Stronger or paler colours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor

from medgraft.augment.streams import Stream
from medgraft.augment.transforms import Intensity, Shape, augmentation

LUMA = (0.299, 0.587, 0.114)  # weights of red, green and blue in ITU-R BT.601


@augmentation("saturation")
class Saturation(Intensity):
    """Multiply the distance of each colour from its grey by a factor, log-uniform in [low, high].

    It does nothing to images that have not three channels, and nothing to grey images in three
    equal channels: those are left bit for bit as they are.
    """

    low: float = Field(default=0.7, gt=0, le=10)
    """Palest."""
    high: float = Field(default=1.4, gt=0, le=10)
    """Strongest."""

    def draw(self, stream: Stream, shape: Shape) -> dict[str, npt.NDArray[Any]]:
        """`factor`."""
        del shape
        return {"factor": stream.log_uniform(self.low, self.high)}

    def change(self, images: Tensor, values: Mapping[str, Tensor]) -> Tensor:
        """The grey of ITU-R BT.601, and the colours moved from it or towards it."""
        if images.shape[1] != len(LUMA):
            return images
        share = torch.tensor(LUMA).to(images).reshape(1, -1, *(1,) * (images.ndim - 2))
        factor = values["factor"].to(images).reshape(-1, *(1,) * (images.ndim - 1))
        # Written as a change, which is exactly zero where the channels are equal.
        base = images[:, :1]
        away = images - base - ((images - base) * share).sum(1, keepdim=True)
        return images.add_(away.mul_(factor - 1)).clamp_(0, 1)
