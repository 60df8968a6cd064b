"""Cut a window out and bring it back to size."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from medgraft.augment.geometry import in_pixels, scaling, translation
from medgraft.augment.streams import Stream
from medgraft.augment.transforms import Geometry, Numbers, Shape, Values, augmentation


@augmentation("crop")
class Crop(Geometry):
    """Take a window at a random place and magnify it to the size of the image.

    The window may reach beyond the border by `beyond`; padding is seen there. With
    `keep_centre` the central region stays inside the window, for labels that speak of the
    centre (in PatchCamelyon, of the central 32 of 96 pixels: keep_centre=0.34). Other geometry in
    the same list can still move the centre.
    """

    low: float = Field(default=0.8, ge=0.1, le=1)
    """Smallest side of the window, as a share of the image's."""
    high: float = Field(default=1.0, ge=0.1, le=1)
    """Largest side of the window."""
    beyond: float = Field(default=0.0, ge=0, le=0.5)
    """How far the window may reach over the border, as a share of the side."""
    keep_centre: float = Field(default=0.0, ge=0, le=1)
    """Side of the central region that every window contains; 0 for none."""

    @model_validator(mode="after")
    def _roomy(self) -> Self:
        if self.keep_centre > self.low:
            raise ValueError(
                "keep_centre must be at most low, for the region to fit into the smallest window,"
                f" got keep_centre={self.keep_centre} and low={self.low}"
            )
        return self

    def draw(self, stream: Stream, shape: Shape) -> dict[str, npt.NDArray[Any]]:
        """`side` of the window and `centre`, (B, D): its offset; both as shares of the image."""
        side = stream.uniform(self.low, self.high)
        room = (1 - side) / 2 + self.beyond
        if self.keep_centre > 0:
            room = np.minimum(room, (side - self.keep_centre) / 2)
        return {"side": side, "centre": (2 * stream.unit(len(shape)) - 1) * room[:, None]}

    def matrix(self, values: Values, shape: Shape) -> Numbers:
        """The window's place, times its size."""
        place = translation(in_pixels(values["centre"], shape))
        return place @ scaling(np.repeat(values["side"][:, None], len(shape), axis=1))
