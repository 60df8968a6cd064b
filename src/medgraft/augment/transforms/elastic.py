"""Bend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator
from torch import Tensor

from medgraft.augment.fields import RING, smooth_field
from medgraft.augment.streams import Stream
from medgraft.augment.transforms import Displacement, Shape, augmentation


@augmentation("elastic")
class Elastic(Displacement):
    """Move pixels along a smooth random field, drawn on a coarse grid of control points.

    Each component of the displacement is normal with standard deviation `magnitude` times
    the shortest side. It acts in the frame of the result, after all other geometry.
    """

    grid: int = Field(default=5, ge=2, le=16)
    """Control points from edge to edge, along each axis."""
    magnitude: float = Field(default=0.02, ge=0, le=0.2)
    """Standard deviation of the displacement, as a share of the shortest side."""
    sigma: float = Field(default=0.8, ge=0.5, le=2)
    """Smoothness: width of a control point's influence, in distances between control points."""
    p: float = Field(default=0.5, ge=0, le=1)
    """Probability that a sample is changed."""

    @model_validator(mode="after")
    def _unfolded(self) -> Self:
        slope = self.magnitude * (self.grid - 1) / (self.sigma * 2**0.5)
        if slope > 0.4:
            raise ValueError(
                "magnitude * (grid - 1) / (1.41 * sigma) must be at most 0.4, or the picture folds"
                f" over itself, got {slope:.2f}; lower magnitude or grid, or raise sigma"
            )
        return self

    def draw(self, stream: Stream, shape: Shape) -> dict[str, npt.NDArray[Any]]:
        """`control`, (B, D, *[grid + 2] * D): standard normal numbers."""
        points = (len(shape), *[self.grid + 2 * RING] * len(shape))
        control = stream.normal(int(np.prod(points)))
        return {"control": control.astype(np.float32).reshape(-1, *points)}

    def field(self, values: Mapping[str, Tensor], shape: Shape) -> Tensor:
        """The smoothed control points."""
        return smooth_field(
            values["control"] * self.magnitude * min(shape), shape, sigma=self.sigma
        )
