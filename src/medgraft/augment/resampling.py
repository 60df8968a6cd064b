"""Read images between their pixels: one grid and one resampling for all geometry."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

Array = npt.NDArray[np.float64]
Shape = tuple[int, ...]
Padding = Literal["reflection", "border", "zeros"]
Interpolation = Literal["linear", "nearest"]


def sampling_grid(
    matrix: Array, shape: Shape, field: Tensor | None, *, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """The grid of `torch.nn.functional.grid_sample`, shape (B, *shape, D).

    Args:
        matrix: From result to input, shape (B, D + 1, D + 1), as in `medgraft.augment.geometry`.
        shape: Spatial shape of the images.
        field: Displacement in pixels in the frame of the result, shape (B, D, *shape), or
            None. The pixel at x comes from matrix @ (x + field(x)).
        dtype: Of the grid.
        device: Of the grid.
    """
    dims = len(shape)
    theta = _normalised(matrix, shape)
    affine = (matrix[:, -1, :-1] == 0).all()
    theta = theta[:, :dims] if affine else theta
    grid = _lattice(theta, shape, dtype=dtype, device=device)
    if field is not None:
        own = torch.from_numpy(theta[:, :, :dims]).to(device, dtype)
        for axis in range(dims):
            moved = field[:, dims - 1 - axis] * (2 / shape[dims - 1 - axis])
            grid += moved[..., None] * own[:, None, :, axis].reshape(
                -1, *(1,) * dims, len(theta[0])
            )
    return grid if affine else grid[..., :-1] / grid[..., -1:]


def resample(
    images: Tensor, grid: Tensor, *, interpolation: Interpolation, padding: Padding
) -> Tensor:
    """Images (B, C, *S) read at the places of a grid (B, *S, D) from `sampling_grid`."""
    mode = "bilinear" if interpolation == "linear" else "nearest"  # torch's word in 3-D too
    return F.grid_sample(images, grid, mode=mode, padding_mode=padding, align_corners=False)


def layered(matrix: Array) -> bool:
    """Whether no sample moves anything from one layer along the first axis to another at a slant.

    Then each layer along the first axis is a two-dimensional problem, the same for all layers.
    """
    slant = matrix[:, 0, 1:-1], matrix[:, 1:-1, 0], matrix[:, -1, :-1]
    return matrix.shape[1] == 4 and not any(part.any() for part in slant)


def resample_layers(images: Tensor, matrix: Array, *, padding: Padding) -> Tensor:
    """Volumes (B, C, *S) under `layered` matrices: the same numbers as trilinear resampling, faster.

    Interpolation in three axes is a product of one in two axes and one in the third. The first
    is done for all layers with one grid, the second is a product with a band matrix.
    """
    count, channels, depth, *plane = images.shape
    flat = np.delete(np.delete(matrix, 0, axis=1), 0, axis=2)
    grid = sampling_grid(flat, tuple(plane), None, dtype=images.dtype, device=images.device)
    layers = resample(images.flatten(1, 2), grid, interpolation="linear", padding=padding)
    band = _band(matrix[:, 0, 0], matrix[:, 0, -1], depth, padding).to(images)
    mixed = torch.matmul(band[:, None], layers.reshape(count, channels, depth, -1))
    return mixed.reshape(images.shape)


def _lattice(theta: Array, shape: Shape, *, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Theta @ (place, 1) at every pixel, shape (B, *shape, rows of theta).

    Built from its first row of pixels, to which each other axis adds a multiple: far fewer
    passes over memory than a matrix product per pixel (and no product that autocast would
    round to 16 bits).
    """
    dims, rows = len(shape), theta.shape[1]
    places = [(2 * np.arange(size) + 1) / size - 1 for size in reversed(shape)]  # as in theta
    line = theta[:, None, :, 0] * places[0][:, None] + theta[:, None, :, -1]  # (B, last size, rows)
    grid = torch.from_numpy(line.reshape(len(theta), -1)).to(device, dtype)
    for axis in range(1, dims):  # from the last but one axis to the first
        along = torch.from_numpy(np.tile(theta[:, :, axis], shape[-1])).to(device, dtype)
        place = torch.from_numpy(places[axis]).to(device, dtype)
        step = place.reshape(-1, 1) * along[:, None]  # (B, size of the axis, last size * rows)
        step = step.reshape(len(theta), -1, *(1,) * (axis - 1), step.shape[-1])
        grid = step + grid[:, None]
    return grid.reshape(len(theta), *shape, rows)


def _normalised(matrix: Array, shape: Shape) -> Array:
    """The matrix in the units of `grid_sample`: [-1, 1] from edge to edge, last axis first."""
    units = np.array([2 / size for size in shape] + [1.0])
    scaled = matrix * units[:, None] / units[None, :]
    order = [*reversed(range(len(shape))), len(shape)]
    return np.ascontiguousarray(scaled[:, order][:, :, order])


def _band(scale: Array, shift: Array, size: int, padding: Padding) -> Tensor:
    """Weight of each input pixel in each pixel of a line, shape (B, size, size).

    Args:
        scale: The pixel at x of the result comes from scale * x + shift, counted from the centre.
        shift: In pixels.
        size: Pixels of the line.
        padding: What lies beyond its ends.
    """
    centre = (size - 1) / 2
    source = scale[:, None] * (np.arange(size) - centre) + shift[:, None] + centre
    if padding == "reflection":  # about the outer edges of the first and the last pixel
        source = np.abs((source + 0.5 + size) % (2 * size) - size) - 0.5
    if padding != "zeros":
        source = source.clip(0, size - 1)
    return torch.from_numpy(np.maximum(0, 1 - np.abs(source[:, :, None] - np.arange(size))))
