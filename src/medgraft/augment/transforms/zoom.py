"""Look closer."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from medgraft.augment.geometry import scaling
from medgraft.augment.streams import Stream
from medgraft.augment.transforms import Geometry, Numbers, Shape, Values, augmentation


@augmentation("zoom")
class Zoom(Geometry):
    """Magnify about the centre by a factor drawn uniformly from [low, high].

    A factor below 1 shrinks the picture and shows padding around it.
    """

    low: float = Field(default=1.0, ge=0.25, le=4)
    """Least factor."""
    high: float = Field(default=1.1, ge=0.25, le=4)
    """Greatest factor."""

    def draw(self, stream: Stream, shape: Shape) -> dict[str, npt.NDArray[Any]]:
        """`factor`."""
        del shape
        return {"factor": stream.uniform(self.low, self.high)}

    def matrix(self, values: Values, shape: Shape) -> Numbers:
        """The same factor along all axes."""
        factor = 1 / np.asarray(values["factor"], np.float64)
        return scaling(np.repeat(factor[:, None], len(shape), axis=1))
