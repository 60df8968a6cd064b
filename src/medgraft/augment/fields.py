"""Smooth random fields from a few control points, in any number of dimensions."""

from __future__ import annotations

import torch
from torch import Tensor

RING = 1  # control points beyond each border, so that the field does not stiffen there


def control_points(grid: int, dims: int) -> int:
    """How many numbers one component of a field needs.

    Examples:
        >>> control_points(5, 2)
        49
    """
    return int((grid + 2 * RING) ** dims)


def smooth_field(control: Tensor, shape: tuple[int, ...], *, sigma: float) -> Tensor:
    """Spread control points over an image with a Gaussian of width `sigma`.

    One small matrix product per axis. The weights are scaled so that independent standard
    normal control points give a field whose standard deviation is 1 at every pixel. Its slope
    then has standard deviation 1 / (sigma * sqrt(2)) per distance between control points.

    Args:
        control: Values at the control points, shape (B, K, *[grid + 2] * D), from edge to edge
            of the image with one point beyond each edge.
        shape: Spatial shape of the image, D sizes.
        sigma: Width of the Gaussian, in distances between control points.

    Returns:
        The field, shape (B, K, *shape).

    Examples:
        >>> field = smooth_field(torch.randn(1, 3, 6, 6, 6), (32, 32, 16), sigma=0.8)
        >>> field.shape
        torch.Size([1, 3, 32, 32, 16])
    """
    for axis, size in enumerate(shape, start=2):
        weights = _spread(size, control.shape[axis], sigma).to(control)
        control = torch.tensordot(control, weights, dims=([axis], [1])).movedim(-1, axis)
    return control


def _spread(size: int, points: int, sigma: float) -> Tensor:
    """Weight of each control point at each pixel, rows of unit length, shape (size, points)."""
    cells = points - 2 * RING - 1
    pixel = (torch.arange(size, dtype=torch.float64) + 0.5) / size * cells
    point = torch.arange(points, dtype=torch.float64) - RING
    weight = torch.exp(-((pixel[:, None] - point) ** 2) / (2 * sigma**2))
    return weight / weight.square().sum(1, keepdim=True).sqrt()
