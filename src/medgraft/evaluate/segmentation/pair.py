"""The mask of one class in one image, as it is and as it was predicted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from medgraft.errors import ArgumentError, ShapeError
from medgraft.evaluate import check
from medgraft.evaluate.check import Bools, Floats
from medgraft.evaluate.segmentation.surface import SurfaceDistances, surface_distances


@dataclass(frozen=True)
class Pair:
    """What a measure reads; made by `pair`, which checks it.

    Attributes:
        truth: Where the class is, shape (*S), two or three axes.
        prediction: Where it was predicted, shape (*S).
        spacing_mm: Distance of neighbouring voxels along each axis; 1 each where it is not
            known, and every length is then in voxels.
        tolerance_mm: How far a surface may be off and still count as found.
        probability: Of the class, shape (*S), where a measure reads it.
    """

    truth: Bools
    prediction: Bools
    spacing_mm: tuple[float, ...]
    tolerance_mm: float
    probability: Floats | None = None

    @cached_property
    def truth_voxels(self) -> int:
        """How many voxels the class has."""
        return int(np.count_nonzero(self.truth))

    @cached_property
    def predicted_voxels(self) -> int:
        """How many voxels were predicted."""
        return int(np.count_nonzero(self.prediction))

    @cached_property
    def overlap(self) -> int:
        """How many voxels both have."""
        return int(np.count_nonzero(self.truth & self.prediction))

    @property
    def voxel_volume(self) -> float:
        """Volume of a voxel in mm³ (area of a pixel in mm²)."""
        return float(np.prod(self.spacing_mm))

    @property
    def empty(self) -> int:
        """How many of the two masks are empty."""
        return (not self.truth_voxels) + (not self.predicted_voxels)

    @cached_property
    def surfaces(self) -> SurfaceDistances:
        """How far each surface is from the other."""
        return surface_distances(self.truth, self.prediction, self.spacing_mm)


def pair(
    truth: Any,
    prediction: Any,
    *,
    spacing_mm: Any = None,
    tolerance_mm: float = 1.0,
    probability: Any = None,
) -> Pair:
    """Check two masks of one class and lay them beside each other.

    Args:
        truth: Zeros and ones or booleans, shape (*S), two or three axes.
        prediction: The same shape.
        spacing_mm: One per axis; None where it is not known.
        tolerance_mm: As in `Pair`.
        probability: In [0, 1], the same shape; None where there is none.

    Raises:
        ShapeError: If shapes differ, or are neither 2-D nor 3-D.
        ArgumentError: If a mask holds anything but 0 and 1, or a number is out of its range.
    """
    true, predicted = (
        _binary(whole_numbers(one, what), what)
        for one, what in ((truth, "truth"), (prediction, "prediction"))
    )
    same_shape(true, predicted)
    return Pair(
        true,
        predicted,
        spacing(spacing_mm, true.ndim),
        tolerance(tolerance_mm),
        None if probability is None else probabilities(probability, true.shape),
    )


def whole_numbers(mask: Any, what: str) -> Any:
    """A mask as an array of integers or booleans with two or three axes.

    Raises:
        ShapeError: If it is neither 2-D nor 3-D, or holds no voxel.
        ArgumentError: If it holds fractions or anything else that is no label.
    """
    array = np.asarray(mask)
    if array.dtype.kind not in "bui":
        raise ArgumentError(
            f"{what} must be a mask of integers, got {array.dtype}. Were probabilities passed?"
            " Decide first, or pass them as probability."
        )
    if array.ndim not in (2, 3) or not array.size:
        raise ShapeError(f"{what} must be a mask with 2 or 3 axes and a voxel, got {array.shape}")
    return array


def same_shape(truth: Any, prediction: Any) -> None:
    """Refuse two masks that do not lie on one grid."""
    if truth.shape != prediction.shape:
        raise ShapeError(
            f"truth and prediction must have one shape, got {truth.shape} and {prediction.shape}."
            " Bring the prediction onto the grid of the truth first."
        )


def spacing(spacing_mm: Any, axes: int) -> tuple[float, ...]:
    """One positive number per axis; 1 each where it is not known.

    Examples:
        >>> spacing(None, 2), spacing([0.5, 2], 2)
        ((1.0, 1.0), (0.5, 2.0))
    """
    if spacing_mm is None:
        return (1.0,) * axes
    array = check.vector(spacing_mm, "spacing_mm")
    if len(array) != axes or not (np.isfinite(array) & (array > 0)).all():
        raise ArgumentError(
            f"spacing_mm must hold {axes} positive numbers, one per axis, got {list(spacing_mm)}"
        )
    return tuple(float(value) for value in array)


def tolerance(tolerance_mm: float) -> float:
    """A distance, 0 or more."""
    if not (np.isfinite(tolerance_mm) and tolerance_mm >= 0):
        raise ArgumentError(f"tolerance_mm must be 0 or more, got {tolerance_mm!r}")
    return float(tolerance_mm)


def probabilities(probability: Any, shape: tuple[int, ...]) -> Any:
    """A map in [0, 1] of this shape, in the floats it came in."""
    array = np.asarray(probability)
    if array.dtype.kind != "f":
        array = check.numbers(array, "probability")
    if array.shape != shape:
        raise ShapeError(f"probability must have shape {shape}, got {array.shape}")
    # Written so that NaN fails too, in two passes without a temporary of booleans.
    if not (array.min() >= 0 and array.max() <= 1):
        raise ArgumentError(
            f"probability must lie in [0, 1] and be finite, got {array.min():g} to {array.max():g}."
            " Were logits passed?"
        )
    return array


def _binary(array: Any, what: str) -> Bools:
    if array.dtype.kind != "b" and (strange := set(np.unique(array).tolist()) - {0, 1}):
        raise ArgumentError(
            f"{what} must hold only 0 and 1, got {', '.join(map(str, sorted(strange)[:5]))}."
            " For a mask of several classes use judge_image."
        )
    mask: Bools = array.astype(np.bool_, copy=False)
    return mask
