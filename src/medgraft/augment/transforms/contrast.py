"""Steeper or flatter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt
from pydantic import Field
from torch import Tensor

from medgraft.augment.streams import Stream
from medgraft.augment.transforms import Linear, Shape, augmentation


@augmentation("contrast")
class Contrast(Linear):
    """Multiply the distance from mid-grey (0.5) by a factor, log-uniform in [low, high].

    Mid-grey stays, whatever the image: two films of one series change alike. (torchvision
    pivots on the mean of each image instead.)
    """

    low: float = Field(default=0.8, gt=0, le=10)
    """Flattest."""
    high: float = Field(default=1.25, gt=0, le=10)
    """Steepest."""

    def draw(self, stream: Stream, shape: Shape) -> dict[str, npt.NDArray[Any]]:
        """`factor`."""
        del shape
        return {"factor": stream.log_uniform(self.low, self.high)}

    def line(self, values: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """The line through (0.5, 0.5) with slope `factor`."""
        return values["factor"], 0.5 * (1 - values["factor"])
