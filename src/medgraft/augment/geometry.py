"""Where pixels come from: matrices, and the symmetries among them.

Coordinates are in pixels, in the order of the array's axes (rows, columns in 2-D), with the
origin at the centre of the image. A matrix maps the place of a pixel in the *result* to its
place in the input, so that "first a, then b" is the product ``a @ b``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import permutations, product

import numpy as np
import numpy.typing as npt
from torch import Tensor

from medgraft.errors import ArgumentError

Array = npt.NDArray[np.float64]
Shape = tuple[int, ...]


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
def symmetry_matrices(shape: Shape) -> Array:
    """The matrix of each entry of `symmetries(shape)`, shape (symmetries, D + 1, D + 1)."""
    dims = len(shape)
    every = identity(len(symmetries(shape)), dims)
    for matrix, (order, signs) in zip(every, symmetries(shape), strict=True):
        matrix[:dims, :dims] = 0
        for axis in range(dims):  # the pixel at x comes from input axis order[axis], maybe reversed
            matrix[order[axis], axis] = signs[axis]
    return every


def symmetry_of(matrix: Array, shape: Shape) -> npt.NDArray[np.int64]:
    """Which entry of `symmetries(shape)` each matrix is, or -1, shape (B,)."""
    known = symmetry_matrices(shape)
    near = np.abs(matrix[:, None] - known[None]).max(axis=(2, 3)) < 1e-9  # (B, symmetries)
    return np.where(near.any(axis=1), near.argmax(axis=1), -1)


def symmetric(images: Tensor, which: int) -> Tensor:
    """Images (B, C, *S) under one entry of `symmetries(S)`: pixels move, none is computed."""
    shape = tuple(images.shape[2:])
    order, signs = symmetries(shape)[which]
    moved = images.permute(0, 1, *(2 + axis for axis in order))
    reversed_axes = [2 + axis for axis, sign in enumerate(signs) if sign < 0]
    return moved.flip(reversed_axes) if reversed_axes else moved


def in_pixels(fractions: Array, shape: Sequence[int]) -> Array:
    """Fractions of the side of each axis, shape (B, D), as pixels."""
    return fractions * np.asarray(shape, dtype=np.float64)
