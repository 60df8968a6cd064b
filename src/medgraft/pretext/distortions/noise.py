"""Grain."""

from __future__ import annotations

from functools import cache
from typing import Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from medgraft.augment.streams import Stream
from medgraft.pretext.distortions import Distortion, Numbers, Shape, Values, distortion
from medgraft.pretext.words import new_keys, words

_QUANTILES = 1 << 16


@distortion("noise")
class Noise(Distortion):
    """Add normal noise to every voxel and cut off at 0 and 1 (denoising, Vincent et al. 2010).

    A voxel takes one of 65,536 normal quantiles, which reach to 4.3 standard deviations: any
    device then makes the same noise of the same key.
    """

    low: float = Field(default=0.05, ge=0, le=1)
    """Least standard deviation."""
    high: float = Field(default=0.2, ge=0, le=1)
    """Greatest standard deviation."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low must be at most high, got low={self.low} and high={self.high}")
        return self

    def draw(self, stream: Stream, shape: Shape) -> Numbers:
        """`deviation`, and `grain`: the key of the noise."""
        del shape
        return {"deviation": stream.uniform(self.low, self.high), "grain": new_keys(stream)}

    def change(self, images: Tensor, values: Values) -> Tensor:
        """The images plus their noise, the same in all channels."""
        voxels = images[0, 0].numel()
        place = (words(values["grain"], voxels) >> 16) & (_QUANTILES - 1)
        quantiles = _quantiles().to(images.device, images.dtype)
        grain = quantiles.index_select(0, place.flatten()).reshape(len(images), voxels)
        grain *= values["deviation"].to(images.dtype)[:, None]
        return (images + grain.reshape(len(images), 1, *images.shape[2:])).clamp_(0, 1)


@cache
def _quantiles() -> Tensor:
    middles = (torch.arange(_QUANTILES, dtype=torch.float64) + 0.5) / _QUANTILES
    quantiles: Tensor = torch.special.ndtri(middles)
    return quantiles
