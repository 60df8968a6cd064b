"""Zooms into the four corners, each as it is and mirrored, beside the whole image."""

from __future__ import annotations

from itertools import product

import numpy as np
import numpy.typing as npt
from pydantic import Field

from medgraft.augment.geometry import scaling, translation
from medgraft.train.tta import View, Views, view


@view("corners")
class Corners(Views):
    """The whole image and zooms into its four corners, each as it is and mirrored.

    The answer is `plain` times the probabilities of the whole image, and the rest the mean of
    those of the zooms (0.4 and 0.6). These are the eight views of the test-time augmentation of
    fastai 1 (``fastai/vision/tta.py``), which applies the final softmax to each view and averages
    probabilities, not logits. There the other random augmentations of training are drawn on top;
    here they are not, so that an answer is always the same.
    """

    scale: float = Field(default=1.35, gt=1, le=10)
    """How many times larger things are in a zoom: it shows 1 / scale of each side."""
    plain: float = Field(default=0.4, ge=0, lt=1)
    """Share of the whole image in the answer."""
    flip: bool = True
    """Whether to add mirrored zooms; false where left and right are part of the finding."""

    def of(self, shape: tuple[int, int]) -> tuple[View, ...]:
        """The whole image, then the corners from the upper left by rows, then those mirrored."""
        size = np.array(shape, dtype=np.float64)
        sides = [np.ones(2), np.array([1.0, -1.0])] if self.flip else [np.ones(2)]
        zooms = [
            self._zoom(np.array(corner) * size / 2) @ scaling(side[None])[0]
            for side in sides
            for corner in product((-1, 1), repeat=2)
        ]
        whole = View(self.plain, np.eye(3))
        share = (1 - self.plain) / len(zooms)
        return (whole, *(View(share, matrix) for matrix in zooms))

    def _zoom(self, corner: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The matrix of the zoom that keeps a corner, at `corner` from the centre, in its place."""
        shown = np.full((1, 2), 1 / self.scale)
        return np.asarray(translation((1 - shown) * corner)[0] @ scaling(shown)[0])
