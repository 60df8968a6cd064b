"""Boxes in images: where they start, how long their sides are, what lies inside."""

from __future__ import annotations

import math
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


def repeated(values: Tensor, times: Tensor, total: int) -> Tensor:
    """Each value as often as `times` says, `total` in all; numpy's is the faster on a processor."""
    if values.device.type == "cpu":
        return torch.from_numpy(np.repeat(values.numpy(), times.numpy()))
    return values.repeat_interleave(times, output_size=total)


def first_voxels(start: Tensor, shape: Shape) -> Tensor:
    """Places of the first voxels of windows in their flattened image; starts of shape (D, ...)."""
    place = start[0]
    for along, size in zip(start[1:], shape[1:], strict=True):
        place = place * size + along
    return place


def listed(place: Tensor, side: Tensor, shape: Shape) -> Tensor:
    """Places of all voxels of some windows, window after window, int32, shape (E,).

    Args:
        place: First voxel of each, in a flattened batch of images, int32, shape (W,).
        side: At least 1, int64, shape (D, W).
        shape: Spatial shape of the images.
    """
    # Axis by axis: points become lines, planes, boxes. The longest axis comes last, which keeps
    # the lists in between short; the order must not depend on the windows.
    parts = None  # of each window so far
    for axis in sorted(range(len(shape)), key=lambda axis: shape[axis]):
        stride, length = math.prod(shape[axis + 1 :]), side[axis].int()
        length = length if parts is None else repeated(length, parts, len(place))
        ends = length.cumsum(0)
        # One stride after the other, but for the jumps from the end of a line to the next one.
        last = (length - 1).mul_(stride).add_(place)
        steps = place.new_full((int(length.sum()),), stride)
        steps[:1] = place[:1]
        steps.scatter_(0, ends[:-1], place[1:] - last[:-1])
        place = steps.cumsum(0, dtype=torch.int32)
        parts = side[axis] if parts is None else parts * side[axis]
    return place


def union(start: Tensor, side: Tensor, shape: Shape) -> Tensor:
    """Voxels inside at least one window, bool, shape (B, 1, *shape).

    Args:
        start: Shape (B, count, D), count at most 15.
        side: Shape (B, count, D); a window with a side of zero is empty.
        shape: Spatial shape of the images.
    """
    # A bit per window says along each axis whether it holds a place; all of them must.
    bits = 2 ** torch.arange(start.shape[1], dtype=torch.int16, device=start.device)
    place = torch.arange(max(shape), device=start.device)
    inside = (place >= start[..., None]) & (place < (start + side)[..., None])
    lines = (inside * bits[:, None, None]).sum(1, dtype=torch.int16)  # (B, D, largest size)
    held = lines[:, 0, : shape[0]]
    for axis in range(1, len(shape)):
        along = lines[:, axis, : shape[axis]]
        held = held[..., None] & along.reshape(-1, *(1,) * axis, shape[axis])
    return (held != 0)[:, None]
