"""Bend."""

from __future__ import annotations

import numpy as np
from pydantic import Field
from torch import Tensor

from medgraft.augment.fields import RING, smooth_field
from medgraft.augment.geometry import identity
from medgraft.augment.resampling import resample, sampling_grid
from medgraft.augment.streams import Stream
from medgraft.pretext.distortions import Distortion, Numbers, Shape, Values, distortion


@distortion("elastic")
class Elastic(Distortion):
    """Move voxels along a smooth random field within their slice, and the slice's neighbours alike.

    The first two axes are the plane (right and anterior in volumes that were oriented); the
    third stays. The defaults are what Semantic Genesis does to cubes of 64 x 64 x 32: white
    noise smoothed with sigma 8 and displacements with standard deviation 3.7, scaled to the
    image. The field comes from control points that far apart, and the image is read once.
    """

    magnitude: float = Field(default=0.058, ge=0, le=0.2)
    """Standard deviation of the displacement, as a share of the shortest side of the plane."""
    smoothness: float = Field(default=0.125, ge=0.05, le=0.5)
    """Standard deviation of the Gaussian that smoothes the field, as the same share."""

    def draw(self, stream: Stream, shape: Shape) -> Numbers:
        """`control`, (B, 2, ...): standard normal numbers at the control points."""
        spacing = self.smoothness * min(shape[:2])
        points = [max(1, round(size / spacing)) + 1 + 2 * RING for size in shape]
        control = stream.normal(2 * int(np.prod(points)))
        return {"control": control.astype(np.float32).reshape(-1, 2, *points)}

    def change(self, images: Tensor, values: Values) -> Tensor:
        """The bent images; what comes in over the border is its mirror image."""
        shape = tuple(images.shape[2:])
        distance = self.magnitude * min(shape[:2])
        field = smooth_field(values["control"].to(images) * distance, shape, sigma=1.0)
        slices, field = _slices(images), _slices(field)
        grid = sampling_grid(
            identity(len(slices), 2), shape[:2], field, dtype=images.dtype, device=images.device
        )
        moved = resample(slices, grid, interpolation="linear", padding="reflection")
        return moved.clamp_(0, 1) if len(shape) == 2 else _volumes(moved, images)


def _slices(volumes: Tensor) -> Tensor:
    """Volumes (B, C, X, Y, Z) as a batch of B * Z slices (B * Z, C, X, Y); images as they are."""
    return volumes if volumes.ndim == 4 else volumes.movedim(4, 1).flatten(0, 1)


def _volumes(slices: Tensor, images: Tensor) -> Tensor:
    stacked = slices.clamp_(0, 1).reshape(len(images), images.shape[4], *slices.shape[1:])
    return stacked.movedim(1, 4).contiguous()
