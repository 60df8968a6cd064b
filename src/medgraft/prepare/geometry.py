"""Where a prepared image lies in its file: moving masks there, and predictions back.

Every preparation step moves the affine of a scan with its pixels, so the affine before and
after tell where each prepared pixel came from: that is all that a mask needs, and all that a
prediction needs to return to the grid of the input. Steps turn, flip, scale and shift whole
axes, so the map is a scaled and shifted permutation of axes, and it is composed before it is
applied: a mask is read once from its file, not once per step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from medgraft.errors import ShapeError
from medgraft.prepare.grids import along
from medgraft.prepare.pipeline import finished, run
from medgraft.prepare.steps import Step
from medgraft.read.scan import Scan

TIE = 1e-6  # halfway between two pixels the upper one counts, however the sum was rounded


@dataclass(frozen=True)
class Geometry:
    """How the pixels of a prepared image lie on the grid of its file.

    Attributes:
        given: Spatial shape in the file.
        prepared: Spatial shape after the steps.
        axes: For each prepared axis, the axis of the file that it runs along.
        scales: Pixels of the file per prepared pixel, along each prepared axis; negative where
            the axis runs backwards.
        offsets: Place in the file of prepared pixel 0, along each prepared axis, in pixels.
    """

    given: tuple[int, ...]
    prepared: tuple[int, ...]
    axes: tuple[int, ...]
    scales: tuple[float, ...]
    offsets: tuple[float, ...]

    def record(self) -> dict[str, Any]:
        """As plain lists, for a JSON file."""
        return {name: list(value) for name, value in vars(self).items()}

    @classmethod
    def of_record(cls, record: dict[str, Any]) -> Self:
        """What `record` wrote."""
        return cls(**{name: tuple(value) for name, value in record.items()})


def prepare_placed(scan: Scan, chain: Sequence[Step]) -> tuple[np.ndarray, Geometry]:
    """What `medgraft.prepare.prepare` gives, and where it lies in the file.

    Raises:
        ReadError: If a step cannot work on this scan, or it has no pixels.
        ArgumentError: If the steps do not bring the values into [0, 1].
    """
    given = with_place(scan, chain)
    done = run(given, chain)
    return finished(done), between(given, done)


def with_place(scan: Scan, chain: Sequence[Step]) -> Scan:
    """The scan with an affine, so that the steps leave a trace in it.

    Whoever asks where the patient lies must still be told that the file does not say it.
    """
    if scan.affine is not None and abs(np.linalg.det(scan.affine[:3, :3])) > 1e-12:
        return scan
    if scan.dims == 3 and any(step.name == "orient" for step in chain):
        return scan
    return replace(scan, affine=np.eye(4))


def between(given: Scan, done: Scan) -> Geometry:
    """The map from the pixels of one scan to those of the other, from their affines."""
    assert given.affine is not None
    assert done.affine is not None
    dims = given.dims
    change = np.linalg.solve(given.affine, done.affine)
    axes = np.abs(change[:dims, :dims]).argmax(axis=0)
    rest = change[:dims, :dims].copy()
    rest[axes, np.arange(dims)] = 0
    if sorted(axes) != list(range(dims)) or np.abs(rest).max() > 1e-6:
        raise ShapeError(
            "preparation steps must turn, flip, scale and shift whole axes, and those used on"
            f" '{given.source}' mix axes. Leave out the step that shears or rotates."
        )
    scales, offsets = change[axes, np.arange(dims)], change[axes, 3]
    return Geometry(
        given=given.array.shape[1:],
        prepared=done.array.shape[1:],
        axes=tuple(int(axis) for axis in axes),
        scales=tuple(np.round(scales, 9).tolist()),
        offsets=tuple(np.round(offsets, 9).tolist()),
    )


def prepare_mask(mask: np.ndarray, geometry: Geometry, *, fill: int = 0) -> np.ndarray:
    """A mask on the grid of the prepared image, each pixel from the nearest one of the file.

    Args:
        mask: On the grid of the file, shape (C, *given).
        geometry: Of the image that goes with it.
        fill: What pixels hold that the file does not reach (padding).

    Returns:
        Shape (C, *prepared), of the kind of `mask`.

    Raises:
        ShapeError: If the mask has another shape than the file.
    """
    _check(mask, geometry.given, "a mask")
    turned = mask.transpose(0, *(axis + 1 for axis in geometry.axes))
    return _nearest(turned, geometry.prepared, geometry.scales, geometry.offsets, fill)


def restore(array: np.ndarray, geometry: Geometry, *, fill: float = 0) -> np.ndarray:
    """A mask or probabilities of a prepared image, on the grid of its file.

    Whole numbers and truth values come from the nearest prepared pixel; floats are
    interpolated, or averaged where the file is coarser than what was prepared.

    Args:
        array: Shape (C, *prepared).
        geometry: Of the prepared image.
        fill: What pixels of the file hold that were cut away.

    Returns:
        Shape (C, *given), of the kind of `array`.

    Raises:
        ShapeError: If the array has another shape than the prepared image.

    Examples:
        >>> half = Geometry(given=(4,), prepared=(2,), axes=(0,), scales=(2.0,), offsets=(0.5,))
        >>> restore(np.array([[1, 7]]), half)
        array([[1, 1, 7, 7]])
    """
    _check(array, geometry.prepared, "an array to restore")
    order = np.argsort(geometry.axes)
    scales = [1 / geometry.scales[k] for k in order]
    offsets = [-geometry.offsets[k] / geometry.scales[k] for k in order]
    turned = array.transpose(0, *(axis + 1 for axis in order))
    resample = _smooth if array.dtype.kind == "f" else _nearest
    return resample(turned, geometry.given, scales, offsets, fill)


def _check(array: np.ndarray, size: tuple[int, ...], what: str) -> None:
    if array.shape[1:] != size:
        raise ShapeError(
            f"{what} must have shape (C, {', '.join(map(str, size))}), got {array.shape}"
        )


def _nearest(
    array: np.ndarray,
    sizes: Sequence[int],
    scales: Sequence[float],
    offsets: Sequence[float],
    fill: float,
) -> np.ndarray:
    """The value at ``offset + scale * n`` along each axis; beyond the border, `fill`."""
    result = array
    for axis, (size, scale, offset) in enumerate(zip(sizes, scales, offsets, strict=True), start=1):
        old = array.shape[axis]
        places = np.floor(offset + scale * np.arange(size) + 0.5 + TIE).astype(np.int64)
        result = result.take(places.clip(0, old - 1), axis=axis)
        _fill(result, axis, (places < 0) | (places >= old), fill)
    return np.ascontiguousarray(result)


def _smooth(
    array: np.ndarray,
    sizes: Sequence[int],
    scales: Sequence[float],
    offsets: Sequence[float],
    fill: float,
) -> np.ndarray:
    """Means or linear interpolation along each axis; beyond the border, `fill`."""
    result = array
    for axis, (size, scale, offset) in enumerate(zip(sizes, scales, offsets, strict=True), start=1):
        old = array.shape[axis]
        if scale < 0:  # the averaging knows axes that run forwards
            result = np.flip(result, axis)
            scale, offset = -scale, old - 1 - offset
        if (size, scale, offset) != (old, 1.0, 0.0):
            result = along(result, axis, size, scale, offset).copy()
            places = np.floor(offset + scale * np.arange(size) + 0.5 + TIE)
            _fill(result, axis, (places < 0) | (places >= old), fill)
    return np.ascontiguousarray(result, dtype=array.dtype)


def _fill(array: np.ndarray, axis: int, outside: np.ndarray, fill: float) -> None:
    if outside.any():
        array[(slice(None),) * axis + (outside,)] = fill
