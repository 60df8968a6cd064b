"""Distances between the surfaces of two masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from medgraft.evaluate.check import Bools, Floats


@dataclass(frozen=True)
class SurfaceDistances:
    """How far each boundary voxel of one mask is from the nearest one of the other.

    Attributes:
        of_truth: From the true surface to the predicted one, one per voxel; infinite where
            there is none.
        of_prediction: The other way.
    """

    of_truth: Floats
    of_prediction: Floats

    @cached_property
    def joined(self) -> Floats:
        """Both directions in one set."""
        return np.concatenate([self.of_truth, self.of_prediction])


def surface_distances(
    truth: Bools, prediction: Bools, spacing_mm: Sequence[float]
) -> SurfaceDistances:
    """Distances from centre to centre of boundary voxels, in units of the spacing.

    Args:
        truth: Shape (*S).
        prediction: Shape (*S).
        spacing_mm: One per axis.

    Examples:
        >>> one, other = np.zeros((2, 1, 5), bool)
        >>> one[0, 0] = other[0, 3] = True
        >>> surface_distances(one, other, (1, 0.5)).of_truth
        array([1.5])
    """
    # Nothing outside the box around both can be nearest to anything: the transform runs inside.
    box = bounding_box(truth | prediction)
    true, predicted = boundary(truth[box]), boundary(prediction[box])
    return SurfaceDistances(
        _to(predicted, spacing_mm)[true].astype(float),
        _to(true, spacing_mm)[predicted].astype(float),
    )


def _to(surface: Bools, spacing_mm: Sequence[float]) -> Floats:
    from scipy.ndimage import distance_transform_edt

    if not surface.any():
        return np.full(surface.shape, np.inf)
    distances: Floats = distance_transform_edt(~surface, sampling=spacing_mm)
    return distances


def boundary(mask: Bools) -> Bools:
    """Voxels of the mask with a face neighbour that is not; outside the image nothing is.

    Examples:
        >>> boundary(np.ones((3, 4), bool)).astype(int)
        array([[1, 1, 1, 1],
               [1, 0, 0, 1],
               [1, 1, 1, 1]])
    """
    inner = mask.copy()
    for axis in range(mask.ndim):
        # The view starts with the axis in question and writes through to `inner`.
        to, of = np.moveaxis(inner, axis, 0), np.moveaxis(mask, axis, 0)
        to[1:] &= of[:-1]
        to[:-1] &= of[1:]
        to[0] = to[-1] = False
    return mask & ~inner


def bounding_box(mask: Bools) -> tuple[slice, ...]:
    """The smallest box around all true voxels; an empty one where there are none.

    Examples:
        >>> mask = np.zeros((9, 9), bool)
        >>> mask[2, 3] = mask[4, 7] = True
        >>> bounding_box(mask)
        (slice(2, 5, None), slice(3, 8, None))
    """
    box = []
    for axis in range(mask.ndim):
        hit = np.flatnonzero(mask.any(axis=tuple(n for n in range(mask.ndim) if n != axis)))
        box.append(slice(int(hit[0]), int(hit[-1]) + 1) if len(hit) else slice(0, 0))
    return tuple(box)
