"""Shift along every axis."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from medgraft.augment.geometry import in_pixels, translation
from medgraft.augment.streams import Stream
from medgraft.augment.transforms import Geometry, Numbers, Shape, Values, augmentation


@augmentation("translate")
class Translate(Geometry):
    """Shift along each axis by a share of its side, uniform in [-fraction, fraction]."""

    fraction: float = Field(default=0.05, ge=0, le=0.5)
    """Largest shift, as a share of the side."""

    def draw(self, stream: Stream, shape: Shape) -> dict[str, npt.NDArray[Any]]:
        """`shift`, (B, D): how far the picture moves along each axis, as a share of the side."""
        return {"shift": (2 * stream.unit(len(shape)) - 1) * self.fraction}

    def matrix(self, values: Values, shape: Shape) -> Numbers:
        """A translation by the opposite of the shift: where the pixel comes *from*."""
        return translation(-in_pixels(np.asarray(values["shift"], np.float64), shape))
