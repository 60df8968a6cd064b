"""See from aside."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from medgraft.augment.geometry import identity
from medgraft.augment.streams import Stream
from medgraft.augment.transforms import Geometry, Numbers, Shape, Values, augmentation


@augmentation("warp")
class Warp(Geometry):
    """Tilt the picture in perspective, as if it had been photographed from aside.

    Along each axis a tilt t is drawn uniformly from [-magnitude / D, magnitude / D] with D
    axes: lengths seem 1 + t times larger at one end of the axis and 1 - t times at the other;
    the centre stays. No corner comes from farther out than 1 / (1 - magnitude) times its place.
    """

    magnitude: float = Field(default=0.2, ge=0, le=0.3)
    """Largest sum of the tilts."""

    def draw(self, stream: Stream, shape: Shape) -> dict[str, npt.NDArray[Any]]:
        """`tilt`, (B, D): positive is larger at the end of the axis."""
        return {"tilt": (2 * stream.unit(len(shape)) - 1) * self.magnitude / len(shape)}

    def matrix(self, values: Values, shape: Shape) -> Numbers:
        """X / (1 + the sum over axes of tilt * place), where place runs from -1 to 1."""
        tilt = np.asarray(values["tilt"], np.float64)
        matrix = identity(*tilt.shape)
        matrix[:, -1, :-1] = tilt * 2 / np.asarray(shape)
        return matrix
