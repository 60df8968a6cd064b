"""The eight moves of a square."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from medgraft.augment.geometry import axes_in, rotation, scaling
from medgraft.augment.streams import Stream
from medgraft.augment.transforms import Geometry, Numbers, Plane, Shape, Values, augmentation
from medgraft.errors import ShapeError


@augmentation("dihedral")
class Dihedral(Geometry):
    """One of the four quarter turns, mirrored or not, all eight equally likely.

    For pictures without an up or a left, such as tissue under the microscope. In 3-D the
    moves act in one plane; add `flip:axes=0;` for the axis across it. Without other geometry no
    pixel is computed: the result equals `torch.rot90` and `torch.flip` bit for bit.
    """

    plane: Plane = (-2, -1)
    """The two spatial axes that span the square."""
    p: float = Field(default=1.0, ge=0, le=1)
    """Probability that a move is drawn; one of the eight leaves the image as it is."""

    def draw(self, stream: Stream, shape: Shape) -> dict[str, npt.NDArray[Any]]:
        """`move`: quarter turns counter-clockwise, plus 4 if mirrored along the second axis first.

        Raises:
            ShapeError: If the plane is not a square.
        """
        first, second = axes_in(self.plane, len(shape))
        if shape[first] != shape[second]:
            raise ShapeError(
                f"dihedral must act on a square plane, got {shape[first]} by {shape[second]}"
                f" pixels in axes {self.plane} of {shape}. Prepare square images, or use flip."
            )
        return {"move": stream.choice(8)}

    def matrix(self, values: Values, shape: Shape) -> Numbers:
        """A mirror, then a quarter turn; entries are exactly -1, 0 or 1."""
        move = np.asarray(values["move"])
        turn = np.rint(rotation(90.0 * (move % 4), len(shape), self.plane))
        signs = np.ones((len(move), len(shape)))
        signs[:, axes_in(self.plane, len(shape))[1]] = np.where(move >= 4, -1.0, 1.0)
        return scaling(signs) @ turn
