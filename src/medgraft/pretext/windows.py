"""Boxes in images: where they start, how long their sides are, what lies inside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from medgraft.augment.streams import Stream
from medgraft.errors import ShapeError

Shape = tuple[int, ...]
Integers = npt.NDArray[np.int64]


def drawn(
    stream: Stream, count: int, shape: Shape, low: Sequence[int], high: Sequence[int], margin: int
) -> tuple[Integers, Integers]:
    """Windows at random places, `margin` away from every border at least.

    Args:
        stream: The random numbers of B samples.
        count: Windows per sample.
        shape: Spatial shape of the images, D sizes.
        low: Shortest side along each axis.
        high: Longest side along each axis; all sides between are equally likely.
        margin: Voxels.

    Returns:
        Starts and sides, both of shape (B, count, D).

    Raises:
        ShapeError: If the longest side does not fit between the margins.
    """
    least, most, sizes = (np.asarray(numbers) for numbers in (low, high, shape))
    if (least < 1).any() or (most + 2 * margin > sizes).any():
        raise ShapeError(
            f"windows of side {tuple(most.tolist())} and a margin of {margin} must fit the image,"
            f" got images of shape {shape}; prepare larger images"
        )
    numbers = stream.unit(2 * count * len(shape)).reshape(-1, 2, count, len(shape))
    side = least + (numbers[:, 0] * (most - least + 1)).astype(np.int64)
    start = margin + (numbers[:, 1] * (sizes - side - 2 * margin + 1)).astype(np.int64)
    return start, side


def continued(stream: Stream, most: int, chance: float) -> Integers:
    """How many windows: one more with probability `chance`, up to `most` of them, shape (B,)."""
    again = stream.unit(most) < chance
    count: Integers = np.cumprod(again, axis=1).sum(axis=1).astype(np.int64)
    return count


def used(count: Integers, most: int) -> npt.NDArray[np.bool_]:
    """Which of `most` windows a sample uses, shape (B, most)."""
    return np.arange(most) < count[:, None]


def without(side: npt.NDArray[Any], keep: npt.NDArray[np.bool_]) -> Integers:
    """Sides (B, count, D) with those of unused windows (B, count) made zero: they hold nothing."""
    return np.where(keep[:, :, None], side, 0)


def union(start: Tensor, side: Tensor, shape: Shape) -> Tensor:
    """Voxels inside at least one window, bool, shape (B, 1, *shape).

    Args:
        start: Shape (B, count, D).
        side: Shape (B, count, D); a window with a side of zero is empty.
        shape: Spatial shape of the images.
    """
    inside = []
    for axis, size in enumerate(shape):
        place = torch.arange(size, device=start.device)
        first, length = start[:, :, axis, None], side[:, :, axis, None]
        inside.append(((place >= first) & (place < first + length)).float())
    rest = inside[1]
    for axis in range(2, len(shape)):
        rest = (rest[..., None] * inside[axis][:, :, None]).flatten(2)
    # How many windows hold each voxel: one matrix product over all windows. Small whole numbers
    # are exact in any precision and order.
    held = torch.bmm(inside[0].transpose(1, 2), rest)
    return (held > 0.5).reshape(-1, 1, *shape)
