"""Mirror along axes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from medgraft.augment.geometry import axes_in, scaling
from medgraft.augment.streams import Stream
from medgraft.augment.transforms import Axis, Geometry, Numbers, Shape, Values, augmentation


@augmentation("flip")
class Flip(Geometry):
    """Mirror along each of `axes` with probability p, independently.

    Without other geometry no pixel is computed: the result equals `torch.flip` bit for bit.
    Do not use it along the left-right axis where the side is part of the finding (a heart on
    the right is a diagnosis).
    """

    axes: tuple[Axis, ...] = Field(default=(-1,), min_length=1)
    """Spatial axes, counted from the end; -1 is columns: left and right on the screen."""
    p: float = Field(default=0.5, ge=0, le=1)
    """Probability per axis."""

    @property
    def chance(self) -> float:
        """Probability that at least one axis is mirrored."""
        return 1 - (1 - self.p) ** len(self.axes)

    def draw(self, stream: Stream, shape: Shape) -> dict[str, npt.NDArray[Any]]:
        """`mirrored`, (B, axes): which axes, given that it is at least one."""
        axes_in(self.axes, len(shape))
        count = len(self.axes)
        subsets = (np.arange(1, 2**count)[:, None] >> np.arange(count)) & 1  # the empty one apart
        weights = np.prod(np.where(subsets == 1, self.p, 1 - self.p), axis=1)
        shares = np.cumsum(weights) / max(float(weights.sum()), 1e-300)
        chosen = np.searchsorted(shares, stream.unit()[:, 0], side="right")
        return {"mirrored": subsets[np.minimum(chosen, len(subsets) - 1)].astype(np.bool_)}

    def matrix(self, values: Values, shape: Shape) -> Numbers:
        """-1 on the diagonal for each mirrored axis."""
        signs = np.ones((len(values["mirrored"]), len(shape)))
        signs[:, axes_in(self.axes, len(shape))] = np.where(values["mirrored"], -1.0, 1.0)
        return scaling(signs)
