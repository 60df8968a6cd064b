"""How much tissue lies in a crop: the filter that keeps patterns off empty ground."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

AHEAD = 3  # positions along the last axis of a volume, the voxel itself the first


@dataclass(frozen=True)
class Tissue:
    """What a crop must hold.

    Attributes:
        threshold: Value in [0, 1] from which a pixel counts.
        least: Least share of a crop.
        most: Largest share of a crop.
    """

    threshold: float
    least: float
    most: float

    def starts(self, image: np.ndarray, sides: Sequence[int]) -> np.ndarray:
        """Where a crop of these sides may begin.

        Args:
            image: Values in [0, 1], shape (C, *S); channels are averaged.
            sides: Of the crop, one per spatial axis, none larger than the image.

        Returns:
            bool, shape (S - sides + 1) along each axis.
        """
        share = window_means(tissue_map(image.mean(axis=0), self.threshold), sides) / 2
        return np.asarray((share >= self.least) & (share <= self.most))

    def at(
        self, image: np.ndarray, starts: Sequence[Sequence[int]], sides: Sequence[int]
    ) -> np.ndarray:
        """Which crops may begin at these places, bool: what `starts` says there.

        Args:
            image: As for `starts`.
            starts: First pixels of crops.
            sides: Of a crop.
        """
        found = tissue_map(image.mean(axis=0), self.threshold)
        boxes = [
            found[tuple(slice(a, a + n) for a, n in zip(start, sides, strict=True))]
            for start in starts
        ]
        sums = np.array([int(box.sum(dtype=np.int64)) for box in boxes])
        share = sums / np.prod(sides) / 2
        return np.asarray((share >= self.least) & (share <= self.most))


def tissue_map(image: np.ndarray, threshold: float) -> np.ndarray:
    """Twice the tissue of each pixel: 2 if it reaches the threshold, else 0.

    In a volume, 1 where not the voxel but the next one along the last axis reaches it, so that the
    edge of tissue counts half.

    Source: Zhou et al. 2019 (Models Genesis), arXiv:1908.06912: with k the first of the next
    three positions that reaches the threshold, or 2 if none does, the value is 1 - k/2.

    Args:
        image: Shape S, two or three axes.
        threshold: In the units of the image.

    Returns:
        uint8, shape S.

    Examples:
        >>> tissue_map(np.array([[[0.0, 0.0, 0.9, 0.0]]]), 0.5).tolist()
        [[[0, 1, 2, 0]]]
        >>> tissue_map(np.array([[0.0, 0.0, 0.9, 0.0]]), 0.5).tolist()
        [[0, 0, 2, 0]]
    """
    reaches = (image >= threshold).astype(np.uint8)
    found = 2 * reaches
    if image.ndim == 3:
        for k in range(1, AHEAD - 1):  # at the last position the value is 0 either way
            ahead = (2 - k) * reaches[..., k:]
            np.maximum(found[..., :-k], ahead, out=found[..., :-k])
    return found


def window_means(values: np.ndarray, sides: Sequence[int]) -> np.ndarray:
    """The mean of whole numbers over every window, from sums along one axis after the other.

    Args:
        values: Integers, shape S.
        sides: Of the window, one per axis.

    Returns:
        float64, shape (S - sides + 1) along each axis: exact sums, divided once.

    Examples:
        >>> window_means(np.array([[1, 2, 3], [4, 5, 6]]), (2, 2)).tolist()
        [[3.0, 4.0]]
    """
    sums = values.astype(np.int64)
    for axis, side in enumerate(sides):
        sums = np.cumsum(np.insert(sums, 0, 0, axis=axis), axis=axis)
        after = sums.take(np.arange(side, sums.shape[axis]), axis=axis)
        sums = after - sums.take(np.arange(sums.shape[axis] - side), axis=axis)
    return np.asarray(sums / np.prod(sides))
