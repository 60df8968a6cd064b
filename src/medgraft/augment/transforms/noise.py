"""Grain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor

from medgraft.augment.streams import Stream
from medgraft.augment.transforms import Intensity, Shape, augmentation


@augmentation("noise")
class Noise(Intensity):
    """Add normal noise to every pixel, its standard deviation uniform in [low, high].

    The draw holds a seed per sample, not the noise itself: the same draw gives the same
    noise on one kind of device, other noise on another kind.
    """

    low: float = Field(default=0.0, ge=0, le=0.5)
    """Least standard deviation."""
    high: float = Field(default=0.04, ge=0, le=0.5)
    """Greatest standard deviation."""
    colour: bool = False
    """Other noise in each channel; without it grey images in three channels stay grey."""
    p: float = Field(default=0.5, ge=0, le=1)
    """Probability that a sample is changed."""

    def draw(self, stream: Stream, shape: Shape) -> dict[str, npt.NDArray[Any]]:
        """`deviation`, and `seed`: where the noise of the sample comes from."""
        del shape
        seed = stream.integers()[:, 0] >> np.uint64(1)
        return {"deviation": stream.uniform(self.low, self.high), "seed": seed.astype(np.int64)}

    def change(self, images: Tensor, values: Mapping[str, Tensor]) -> Tensor:
        """The images plus their noise, cut off at 0 and 1."""
        generator = torch.Generator(images.device)
        grain = torch.empty_like(images[0] if self.colour else images[0, :1])
        for image, seed, deviation in zip(
            images, values["seed"].tolist(), values["deviation"].tolist(), strict=True
        ):  # one generator per sample keeps its noise the same whatever the batch
            image.add_(grain.normal_(generator=generator.manual_seed(seed)), alpha=deviation)
        return images.clamp_(0, 1)
