"""Shuffle the voxels of thousands of windows in a few gathers.

A window that covers a voxel makes an *entry*. Entries of all windows of all samples lie in one
list, window after window. Sorting it by (window, random word) permutes every window at once.
What remains is the order of the windows, where they overlap:

- **In sequence.** The value that an entry takes is the one that the entry's source voxel had
  after the window before. So every entry points to an earlier entry, or to the image, and the
  paths are followed for all entries together, twice as far in every round (pointer jumping,
  Wyllie 1979). That is exact: the same numbers as one window after the other.
- **From the original.** Only the last window over a voxel counts, and it reads the image.

Long lists are dealt with block by block of windows, each of which fits a processor's cache.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from medgraft.pretext.words import halves, hashed, unit, words

Shape = tuple[int, ...]
# Entries in a block: what fits the cache of a processor, and what keeps an accelerator busy.
_BLOCK, _LARGE_BLOCK = 1 << 18, 1 << 21
# Random bits per entry. Two entries of a window that draw the same keep their order: of 484, the
# largest window in 224 x 224, one window in nine has such a pair, which nobody could notice.
_RANDOM = 20


@dataclass(frozen=True)
class Entries:
    """The voxels of some windows, window after window.

    Attributes:
        voxel: Place of the entry in the flattened batch (B * N), int32, shape (E,).
        source: The entry of the same window that its value comes from, int32, shape (E,).
    """

    voxel: Tensor
    source: Tensor


@dataclass(frozen=True)
class _Windows:
    """W windows of a flattened batch.

    Attributes:
        place: First voxel in the flattened batch, int64, shape (W,).
        side: Shape (W, D).
        ends: Entries up to the end of each window, shape (W,).
        keys: The sample's halves of its key, the first less the entries of samples before it:
            int32, each of shape (W,), or (1,) if there is one sample.
        strides: Of the axes of an image.
        order: Axes, the longest last.
    """

    place: Tensor
    side: Tensor
    ends: Tensor
    keys: tuple[Tensor, Tensor]
    strides: tuple[int, ...]
    order: list[int]


def random_windows(keys: Tensor, count: int, shape: Shape, largest: Shape) -> tuple[Tensor, Tensor]:
    """Starts and sides of `count` windows per sample, int64, both of shape (B, count, D).

    Each side is uniform from 1 to the `largest` of its axis, and the place uniform among all
    that hold the window.
    """
    numbers = unit(words(keys, 2 * count * len(shape))).reshape(len(keys), 2, count, len(shape))
    sizes = torch.tensor(shape, device=keys.device)
    side = 1 + (numbers[:, 0] * torch.tensor(largest, device=keys.device)).long()
    start = (numbers[:, 1] * (sizes - side + 1)).long()
    return start, side


def sources(
    keys: Tensor, start: Tensor, side: Tensor, shape: Shape, *, in_sequence: bool
) -> Tensor:
    """Which voxel each voxel of the shuffled images comes from, int64, shape (B, N).

    Args:
        keys: Of the permutations, shape (B,).
        start: Of the windows, shape (B, count, D).
        side: Of the windows, shape (B, count, D).
        shape: Spatial shape of the images; N is its product.
        in_sequence: One window after the other, so that the result is a permutation; otherwise
            each window reads the image as it was and writes over the windows before it.
    """
    block = _BLOCK if keys.device.type == "cpu" else _LARGE_BLOCK
    step = max(1, block // max(1, int(side.prod(2).sum(1).max())))
    arrange = _in_sequence if in_sequence else _from_original
    groups = (slice(first, first + step) for first in range(0, len(keys), step))
    return torch.cat([arrange(keys[g], start[g], side[g], shape, block) for g in groups])


def entries(keys: Tensor, start: Tensor, side: Tensor, shape: Shape) -> Entries:
    """List the voxels of all windows and permute each window; arguments as in `sources`."""
    windows = _flattened(keys, start, side, shape)
    return _listed(windows, 0, len(windows.place))


def _in_sequence(keys: Tensor, start: Tensor, side: Tensor, shape: Shape, block: int) -> Tensor:
    """Compose the windows, later ones reading what earlier ones left."""
    voxels = len(keys) * math.prod(shape)
    origin = untouched = torch.arange(voxels, dtype=torch.int32, device=keys.device)
    for listed in _blocks(_flattened(keys, start, side, shape), block):
        last = _last(listed, voxels)
        before = _before(listed).index_select(0, last.clamp(min=0))
        origin = origin.index_select(0, torch.where(last < 0, untouched, before))
    return _local(origin, len(keys))


def _before(listed: Entries) -> Tensor:
    """The voxel that each entry's value had before all these windows, int32, shape (E,)."""
    total = len(listed.voxel)
    low = total.bit_length()
    index = torch.arange(total, dtype=torch.int32, device=listed.voxel.device)
    ordered = _sorted(listed.voxel.long().bitwise_left_shift_(low).add_(index))
    entry = ordered & ((1 << low) - 1)
    voxel = ordered.bitwise_right_shift_(low).int()
    # What a voxel held before an entry: an earlier entry, or (from `total` on) the image.
    held = voxel + total
    again = voxel[1:] == voxel[:-1]
    held[1:] = torch.where(again, entry[:-1].int(), held[1:])
    pointer = torch.empty_like(held).scatter_(0, entry, held).index_select(0, listed.source)
    while int(pointer.min()) < total:
        further = pointer.index_select(0, pointer.clamp(max=total - 1))
        pointer = torch.where(pointer < total, further, pointer)
    return pointer.sub_(total)


def _from_original(keys: Tensor, start: Tensor, side: Tensor, shape: Shape, block: int) -> Tensor:
    """Let the uppermost window at each voxel read the image as it was."""
    count, windows = start.shape[:2]
    # Windows of which nothing is seen in the end need no permutation: in images, most of them.
    seen = torch.zeros(count, windows + 1, dtype=torch.int64, device=keys.device)
    seen.scatter_(1, uppermost(start, side, shape).long() + 1, 1)
    voxels = count * math.prod(shape)
    origin = torch.arange(voxels, dtype=torch.int32, device=keys.device)
    for listed in _blocks(_flattened(keys, start, side * seen[:, 1:, None], shape), block):
        last = _last(listed, voxels)
        source = listed.source.index_select(0, last.clamp(min=0))
        origin = torch.where(last < 0, origin, listed.voxel.index_select(0, source))
    return _local(origin, count)


def _flattened(keys: Tensor, start: Tensor, side: Tensor, shape: Shape) -> _Windows:
    strides = tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))
    place = (start * torch.tensor(strides, device=start.device)).sum(2)
    place += math.prod(shape) * torch.arange(len(keys), device=start.device)[:, None]
    order = sorted(range(len(shape)), key=lambda axis: shape[axis])
    lengths = side.prod(2)
    own = lengths.sum(1)
    first, second = halves(keys)
    first = first - (own.cumsum(0) - own).int()  # a sample counts its own entries
    if len(keys) > 1:
        first, second = (half.repeat_interleave(start.shape[1]) for half in (first, second))
    return _Windows(
        place.flatten(),
        side.flatten(0, 1),
        lengths.flatten().cumsum(0),
        (first, second),
        strides,
        order,
    )


def _blocks(windows: _Windows, size: int) -> Iterator[Entries]:
    """Entries of consecutive windows, about `size` at a time."""
    total = int(windows.ends[-1])
    targets = windows.ends.new_tensor(range(size, total, size))
    cuts = torch.searchsorted(windows.ends, targets).tolist()
    bounds = sorted({0, *cuts, len(windows.place)})
    ends = [0, *(int(windows.ends[last - 1]) for last in bounds[1:])]
    for place, (first, last) in enumerate(itertools.pairwise(bounds)):
        if ends[place + 1] > ends[place]:
            yield _listed(windows, first, last)


def _listed(windows: _Windows, first: int, last: int) -> Entries:
    """The entries of windows number `first` up to `last`."""
    before = int(windows.ends[first - 1]) if first else 0
    ends = windows.ends[first:last] - before
    total = int(ends[-1])
    lengths = ends.diff(prepend=ends.new_zeros(1))
    voxel = _voxels(
        windows.place[first:last].int(), windows.side[first:last], windows.strides, windows.order
    )
    index = torch.arange(total, dtype=torch.int32, device=ends.device)
    first_half, second_half = windows.keys
    if len(first_half) > 1:
        first_half = first_half[first:last].repeat_interleave(lengths, output_size=total)
        second_half = second_half[first:last].repeat_interleave(lengths, output_size=total)
    random = hashed(first_half + before, second_half, index).bitwise_and_((1 << _RANDOM) - 1)
    low = total.bit_length()
    assert low + _RANDOM + len(lengths).bit_length() < 64
    owner = torch.arange(0, len(lengths) << _RANDOM, 1 << _RANDOM, device=ends.device)
    word = owner.repeat_interleave(lengths, output_size=total)
    word = word.add_(random).bitwise_left_shift_(low).add_(index)
    return Entries(voxel, _sorted(word).bitwise_and_((1 << low) - 1).int())


def _voxels(place: Tensor, side: Tensor, strides: tuple[int, ...], order: list[int]) -> Tensor:
    """Places of all voxels of windows that start at `place`, int32, shape (E,)."""
    # Axis by axis: points become lines, planes, boxes. The longest axis comes last, which keeps
    # the lists in between short; the order must not depend on the windows of other samples.
    later = [side[:, axis] for axis in order]
    for axis in order:
        length, *later = later
        ends = length.cumsum(0)
        total, stride = int(ends[-1]), strides[axis]
        place = (place - stride * (ends - length).int()).repeat_interleave(
            length, output_size=total
        )
        place += torch.arange(0, stride * total, stride, dtype=torch.int32, device=place.device)
        later = [other.repeat_interleave(length, output_size=total) for other in later]
    return place


def _last(listed: Entries, voxels: int) -> Tensor:
    """The last entry over each voxel, or -1, int32, shape (voxels,)."""
    index = torch.arange(len(listed.voxel), dtype=torch.int32, device=listed.voxel.device)
    none = index.new_full((voxels,), -1)
    return none.scatter_reduce_(0, listed.voxel.long(), index, "amax")


def uppermost(start: Tensor, side: Tensor, shape: Shape) -> Tensor:
    """Which window lies over each voxel after all others, -1 for none, int16, shape (B, N).

    A window is the union of a few boxes whose sides are powers of two: the largest that fit,
    at each of its corners. Only these are written down, in a table with a level per power and
    axis; then every level hands its boxes, cut in halves, to the level below.

    Args:
        start: Of the windows, shape (B, count, D), count at most 32,767.
        side: Of the windows, shape (B, count, D), at least 1.
        shape: Spatial shape of the images.
    """
    count, windows, dims = start.shape
    level = (side + 0.5).log2().long()  # half a voxel more, so that no power of two is missed
    levels = [int(level[..., axis].max()) + 1 for axis in range(dims)]
    table = torch.full((count, *levels, *shape), -1, dtype=torch.int16, device=start.device)
    strides = torch.tensor(table.stride()[1:], device=start.device)
    base = (level * strides[:dims] + start * strides[dims:]).sum(2)
    base += table.stride(0) * torch.arange(count, device=start.device)[:, None]
    anchors = base[..., None]
    for axis in range(dims):
        other = (side[..., axis] - (1 << level[..., axis])) * strides[dims + axis]
        anchors = torch.cat([anchors, anchors + other[..., None]], dim=2)
    rank = torch.arange(windows, dtype=torch.int16, device=start.device)[None, :, None]
    rank = rank.expand_as(anchors).reshape(-1)
    table.view(-1).scatter_reduce_(0, anchors.reshape(-1), rank, "amax")
    for axis in range(dims):
        for upper in range(levels[axis] - 1, 0, -1):
            here, half = table[:, upper], 1 << (upper - 1)
            below, along, size = table[:, upper - 1], dims, shape[axis]
            torch.maximum(below, here, out=below)
            shifted = below.narrow(along, half, size - half)
            torch.maximum(shifted, here.narrow(along, 0, size - half), out=shifted)
        table = table[:, 0]
    return table.reshape(count, -1)


def _local(origin: Tensor, count: int) -> Tensor:
    """Places in a flattened batch as places in their own sample, int64, shape (count, N)."""
    first = torch.arange(0, len(origin), len(origin) // count, device=origin.device)
    return origin.reshape(count, -1) - first[:, None]


def _sorted(keys: Tensor) -> Tensor:
    """Keys in ascending order; on a processor by numpy, whose sort is four times as fast."""
    if keys.device.type == "cpu":
        keys.numpy().sort()
        return keys
    return keys.sort()[0]
