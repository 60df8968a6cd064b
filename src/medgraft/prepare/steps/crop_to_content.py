"""Cut away the empty frame around what was imaged."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from medgraft.prepare.grids import moved
from medgraft.prepare.steps import Step, step
from medgraft.read.scan import Scan


@step("crop_to_content")
class CropToContent(Step):
    """Keep the box around everything that differs from the ground at the image's border.

    The ground is the median of the outermost pixels. A line of pixels counts as content when
    more than `share` of it differs from the ground by more than `tolerance`, so that dust and
    thin scratches do not hold the box open. Frames lie inside each other (a white edge around a
    black film): the cut is repeated up to `frames` times, and stops when the border is not of one
    level. An image with nothing to cut, or nothing to keep, is left as it is.
    """

    tolerance: float = Field(0.05, gt=0, lt=1)
    """Difference from the ground that still counts as ground, as a share of the image's range."""
    share: float = Field(0.02, ge=0, lt=1)
    """Share of a line that must differ before the line counts as content."""
    frames: int = Field(2, ge=1, le=8)
    """How many frames inside each other to cut away."""
    margin: int = Field(0, ge=0)
    """Pixels to keep around the content."""

    def __call__(self, scan: Scan) -> Scan:
        """The part of the scan that holds content; never empty."""
        box = [(0, size) for size in scan.array.shape[1:]]
        for _ in range(self.frames):
            inner = self._content(scan.array[:, *(slice(*side) for side in box)])
            if inner is None:
                break
            box = [(a + low, a + high) for (a, _), (low, high) in zip(box, inner, strict=True)]
        box = [
            (max(0, low - self.margin), min(size, high + self.margin))
            for (low, high), size in zip(box, scan.array.shape[1:], strict=True)
        ]
        array = scan.array[:, *(slice(*side) for side in box)]
        if array.shape == scan.array.shape:
            return scan
        offsets = [float(low) for low, _ in box]
        return moved(scan, array.copy(), scales=[1.0] * scan.dims, offsets=offsets)

    def _content(self, array: np.ndarray) -> list[tuple[int, int]] | None:
        """The box of the content, per spatial axis; None where there is no ground to cut."""
        values = array.astype(np.float32, copy=False)
        ground = np.median(_border(values), axis=1)  # (C,)
        least = self.tolerance * float(values.max() - values.min())
        level = ground.reshape(-1, *[1] * (array.ndim - 1))
        differs = (np.abs(values - level) > least).any(axis=0)
        if _border(differs[None]).mean() > 0.5 or not differs.any():
            return None
        axes = range(differs.ndim)
        lines = [
            differs.mean(axis=tuple(a for a in axes if a != axis)) > self.share for axis in axes
        ]
        if not all(line.any() for line in lines):
            return None
        return [(int(line.argmax()), len(line) - int(line[::-1].argmax())) for line in lines]


def _border(values: np.ndarray) -> np.ndarray:
    """All outermost pixels, shape (C, K); corners come more than once."""
    faces = [
        values.take(end, axis=axis).reshape(len(values), -1)
        for axis in range(1, values.ndim)
        for end in (0, -1)
    ]
    return np.concatenate(faces, axis=1)
