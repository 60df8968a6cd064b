"""Out of focus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor

from medgraft.augment.streams import Stream
from medgraft.augment.transforms import Intensity, Shape, augmentation


@augmentation("blur")
class Blur(Intensity):
    """Smooth with a Gaussian whose width is drawn uniformly from [low, high].

    Applied along one axis after the other, as a product with a band matrix per sample, in
    which the border is a mirror.
    """

    low: float = Field(default=0.2, gt=0, le=20)
    """Least width (standard deviation), in pixels."""
    high: float = Field(default=1.0, gt=0, le=20)
    """Greatest width, in pixels."""
    p: float = Field(default=0.5, ge=0, le=1)
    """Probability that a sample is changed."""

    def draw(self, stream: Stream, shape: Shape) -> dict[str, npt.NDArray[Any]]:
        """`sigma`, in pixels."""
        del shape
        return {"sigma": stream.uniform(self.low, self.high)}

    def change(self, images: Tensor, values: Mapping[str, Tensor]) -> Tensor:
        """The smoothed images."""
        count, channels, *shape = images.shape
        for axis, size in enumerate(shape, start=2):
            band = smoothing(values["sigma"].to(images), size)  # (B, size, size)
            lines = images.movedim(axis, 2).reshape(count, channels, size, -1)
            smooth = torch.matmul(band[:, None], lines)
            images = smooth.reshape(images.movedim(axis, 2).shape).movedim(2, axis)
        return images.clamp_(0, 1)  # a weighted mean, up to its last digit


def smoothing(sigma: Tensor, size: int) -> Tensor:
    """Matrices that smooth a line of `size` pixels, shape (B, size, size); rows sum to 1.

    Args:
        sigma: Width of the Gaussian in pixels, shape (B,).
        size: Pixels of the line; what lies beyond its ends is its mirror image.
    """
    pixel = torch.arange(size, device=sigma.device, dtype=sigma.dtype)
    distance = pixel[:, None] - pixel
    mirrored = (pixel[:, None] + pixel + 1, 2 * size - 1 - pixel[:, None] - pixel)
    width = 2 * sigma[:, None, None] ** 2
    weight = sum(torch.exp(-(d**2) / width) for d in (distance, *mirrored))
    assert isinstance(weight, Tensor)
    return weight / weight.sum(2, keepdim=True)
