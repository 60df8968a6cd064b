"""Lighter or darker in the middle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt
from pydantic import Field
from torch import Tensor

from medgraft.augment.streams import Stream
from medgraft.augment.transforms import Intensity, Shape, augmentation


@augmentation("gamma")
class Gamma(Intensity):
    """Raise values to a power, log-uniform in [low, high]; black and white stay.

    A power above 1 darkens. It stands for exposure and for the look-up tables of vendors.
    """

    low: float = Field(default=0.7, gt=0, le=10)
    """Least power."""
    high: float = Field(default=1.4, gt=0, le=10)
    """Greatest power."""
    p: float = Field(default=0.5, ge=0, le=1)
    """Probability that a sample is changed."""

    def draw(self, stream: Stream, shape: Shape) -> dict[str, npt.NDArray[Any]]:
        """`power`."""
        del shape
        return {"power": stream.log_uniform(self.low, self.high)}

    def change(self, images: Tensor, values: Mapping[str, Tensor]) -> Tensor:
        """X ** power."""
        return images.pow_(values["power"].to(images).reshape(-1, *(1,) * (images.ndim - 1)))
