"""Where pixels come from: matrices, exact symmetries, and one resampling for all of it.

Coordinates are in pixels, in the order of the array's axes (rows, columns in 2-D), with the
origin at the centre of the image. A matrix maps the place of a pixel in the *result* to its
place in the input, so that "first a, then b" is the product ``a @ b``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import permutations, product
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from medgraft.errors import ArgumentError

Array = npt.NDArray[np.float64]
Shape = tuple[int, ...]
Padding = Literal["reflection", "border", "zeros"]
Interpolation = Literal["linear", "nearest"]


def axes_in(axes: Sequence[int], dims: int) -> tuple[int, ...]:
    """Axes counted from the front.

    Raises:
        ArgumentError: If one of them does not exist in so many dimensions, or stands twice.

    Examples:
        >>> axes_in((-2, -1), 3)
        (1, 2)
    """
    from_front = tuple(axis % dims for axis in axes)
    if any(not -dims <= axis < dims for axis in axes) or len(set(from_front)) < len(axes):
        raise ArgumentError(
            f"spatial axes must be different and in [{-dims}, {dims - 1}] for images with {dims}"
            f" spatial axes, got {tuple(axes)}"
        )
    return from_front


def identity(count: int, dims: int) -> Array:
    """Matrices that move nothing, shape (count, dims + 1, dims + 1)."""
    return np.tile(np.eye(dims + 1), (count, 1, 1))


def scaling(factors: Array) -> Array:
    """Matrices that take pixels from `factors` times as far from the centre.

    Args:
        factors: One per sample and axis, shape (B, D).
    """
    matrix = identity(*factors.shape)
    axes = np.arange(factors.shape[1])
    matrix[:, axes, axes] = factors
    return matrix


def translation(pixels: Array) -> Array:
    """Matrices that take pixels from `pixels` further along each axis, shape (B, D) in."""
    matrix = identity(*pixels.shape)
    matrix[:, :-1, -1] = pixels
    return matrix


def rotation(degrees: Array, dims: int, plane: tuple[int, int]) -> Array:
    """Matrices that turn the picture from the second axis of `plane` towards the first.

    With plane (-2, -1), rows and columns, a positive angle turns counter-clockwise on the
    screen, as `torch.rot90` and Pillow do.
    """
    first, second = axes_in(plane, dims)
    matrix = identity(len(degrees), dims)
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix[:, first, first] = matrix[:, second, second] = cosine
    matrix[:, first, second] = sine
    matrix[:, second, first] = -sine
    return matrix


@lru_cache
def symmetries(shape: Shape) -> tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]:
    """All ways to permute and reverse axes that keep `shape`: (order, signs), identity first.

    Examples:
        >>> len(symmetries((8, 8))), len(symmetries((8, 9))), len(symmetries((4, 4, 4)))
        (8, 4, 48)
    """
    axes = range(len(shape))
    orders = [o for o in permutations(axes) if all(shape[o[a]] == shape[a] for a in axes)]
    return tuple((o, s) for o in orders for s in product((1, -1), repeat=len(shape)))


@lru_cache
def _symmetry_matrices(shape: Shape) -> Array:
    dims = len(shape)
    every = identity(len(symmetries(shape)), dims)
    for matrix, (order, signs) in zip(every, symmetries(shape), strict=True):
        matrix[:dims, :dims] = 0
        for axis in range(dims):  # the pixel at x comes from input axis order[axis], maybe reversed
            matrix[order[axis], axis] = signs[axis]
    return every


def symmetry_of(matrix: Array, shape: Shape) -> npt.NDArray[np.int64]:
    """Which entry of `symmetries(shape)` each matrix is, or -1, shape (B,)."""
    known = _symmetry_matrices(shape)
    near = np.abs(matrix[:, None] - known[None]).max(axis=(2, 3)) < 1e-9  # (B, symmetries)
    return np.where(near.any(axis=1), near.argmax(axis=1), -1)


def symmetric(images: Tensor, which: int) -> Tensor:
    """Images (B, C, *S) under one entry of `symmetries(S)`: pixels move, none is computed."""
    shape = tuple(images.shape[2:])
    order, signs = symmetries(shape)[which]
    moved = images.permute(0, 1, *(2 + axis for axis in order))
    reversed_axes = [2 + axis for axis, sign in enumerate(signs) if sign < 0]
    return moved.flip(reversed_axes) if reversed_axes else moved


def sampling_grid(
    matrix: Array, shape: Shape, field: Tensor | None, *, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """The grid of `torch.nn.functional.grid_sample`, shape (B, *shape, D).

    Args:
        matrix: From result to input, shape (B, D + 1, D + 1).
        shape: Spatial shape of the images.
        field: Displacement in pixels in the frame of the result, shape (B, D, *shape), or
            None. The pixel at x comes from matrix @ (x + field(x)).
        dtype: Of the grid.
        device: Of the grid.
    """
    theta = torch.from_numpy(_normalised(matrix, shape)).to(device, dtype)
    affine = (matrix[:, -1, :-1] == 0).all()
    if affine and field is None:
        return F.affine_grid(theta[:, :-1], [len(matrix), 1, *shape], align_corners=False)
    place = _places(shape, dtype, device).expand(len(matrix), -1, -1)  # (B, pixels, D + 1)
    if field is not None:
        place = place.clone()
        per_pixel = torch.tensor([2 / size for size in reversed(shape)], dtype=dtype, device=device)
        place[..., :-1] += field.flip(1).flatten(2).mT * per_pixel
    origin = torch.bmm(place, theta.mT)
    if not affine:
        origin = origin / origin[..., -1:]
    return origin[..., :-1].reshape(len(matrix), *shape, len(shape))


def _normalised(matrix: Array, shape: Shape) -> Array:
    """The matrix in the units of `grid_sample`: [-1, 1] from edge to edge, last axis first."""
    units = np.array([2 / size for size in shape] + [1.0])
    scaled = matrix * units[:, None] / units[None, :]
    order = [*reversed(range(len(shape))), len(shape)]
    return np.ascontiguousarray(scaled[:, order][:, :, order])


@lru_cache(maxsize=8)
def _places(shape: Shape, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Homogeneous coordinates of all pixels of the result, shape (pixels, D + 1)."""
    eye = torch.eye(len(shape), len(shape) + 1, dtype=dtype, device=device)
    grid = F.affine_grid(eye[None], [1, 1, *shape], align_corners=False)
    return F.pad(grid.flatten(0, -2), (0, 1), value=1.0)


def resample(
    images: Tensor, grid: Tensor, *, interpolation: Interpolation, padding: Padding
) -> Tensor:
    """Images (B, C, *S) read at the places of a grid (B, *S, D) from `sampling_grid`."""
    mode = "bilinear" if interpolation == "linear" else "nearest"  # torch's word in 3-D too
    return F.grid_sample(images, grid, mode=mode, padding_mode=padding, align_corners=False)


def in_pixels(fractions: Array, shape: Sequence[int]) -> Array:
    """Fractions of the side of each axis, shape (B, D), as pixels."""
    return fractions * np.asarray(shape, dtype=np.float64)
