"""Turn about the centre."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from medgraft.augment.geometry import rotation
from medgraft.augment.streams import Stream
from medgraft.augment.transforms import Geometry, Numbers, Plane, Shape, Values, augmentation


@augmentation("rotate")
class Rotate(Geometry):
    """Turn by an angle drawn uniformly from [-degrees, degrees], in one plane.

    Pixels are taken as square: resample a volume to equal spacing first. For free rotation in
    3-D write three, one per plane.
    """

    degrees: float = Field(default=10.0, ge=0, le=180)
    """Largest angle, in degrees."""
    plane: Plane = (-2, -1)
    """The two spatial axes that turn; the last two unless said otherwise."""

    def draw(self, stream: Stream, shape: Shape) -> dict[str, npt.NDArray[Any]]:
        """`degrees`, counter-clockwise on the screen."""
        del shape
        return {"degrees": stream.uniform(-self.degrees, self.degrees)}

    def matrix(self, values: Values, shape: Shape) -> Numbers:
        """A rotation."""
        return rotation(np.asarray(values["degrees"], np.float64), len(shape), self.plane)
