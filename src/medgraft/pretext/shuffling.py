"""Shuffle the voxels of thousands of windows in a few gathers.

A window that covers a voxel makes an *entry*. Entries of many windows lie in one list, window
after window. Sorting it by (window, random word) permutes all of them at once. What remains is
that windows overlap:

- **In sequence.** All windows are drawn alike, so any order is as good as another that does not
  look at what they hold. Here they are put into *runs* whose windows cannot meet, and a run is
  one gather and one scatter: the same numbers as one window after the other, in that order.
- **From the original.** Only the last window over a voxel counts, and it reads the image.

Long lists are dealt with block by block of windows, each of which fits a processor's cache.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from medgraft.pretext.windows import first_voxels, listed, repeated
from medgraft.pretext.words import mixed, unit, words

Shape = tuple[int, ...]
# Entries in a block: what fits the cache of a processor, and what keeps an accelerator busy.
_BLOCK, _LARGE_BLOCK = 1 << 18, 1 << 22
# Random bits per entry. Two entries of a window that draw the same keep their order: of 484, the
# largest window in 224 x 224, two pairs do, which nobody could notice.
_RANDOM = 16
_THICK = 4  # windows over a voxel, on average, from which on it pays to find out which are seen


@dataclass(frozen=True)
class Windows:
    """W windows of a flattened batch, in the order in which they act.

    Attributes:
        place: First voxel of each, int32, shape (W,).
        side: Int64, shape (D, W).
        length: Entries of each, int64, shape (W,).
        word: A random word of each, from which its permutation is made, int32, shape (W,).
        shape: Of an image.
    """

    place: Tensor
    side: Tensor
    length: Tensor
    word: Tensor
    shape: Shape

    def only(self, which: Tensor) -> Windows:
        """Some of them, in another order if `which` has one."""
        lists = (self.place, *self.side, self.length, self.word)
        place, *side, length, word = (each.index_select(0, which) for each in lists)
        return Windows(place, torch.stack(side), length, word, self.shape)

    def part(self, which: slice) -> Windows:
        """Some consecutive ones."""
        place, side = self.place[which], self.side[:, which]
        return Windows(place, side, self.length[which], self.word[which], self.shape)


@dataclass(frozen=True)
class Entries:
    """The voxels of some windows, window after window.

    Attributes:
        voxel: Place in the flattened batch, int32, shape (E,).
        source: Voxel of the same window that the value comes from, int32, shape (E,).
    """

    voxel: Tensor
    source: Tensor


def random_windows(keys: Tensor, count: int, shape: Shape, largest: Shape) -> tuple[Tensor, Tensor]:
    """Starts and sides of `count` windows per sample, int32, both of shape (B, D, count).

    Each side is uniform from 1 to the `largest` of its axis, and the place uniform among all
    that hold the window.
    """
    numbers = unit(words(keys, 2 * count * len(shape))).reshape(len(keys), 2, len(shape), count)
    most, sizes = torch.tensor([largest, shape], device=keys.device, dtype=torch.int32)[..., None]
    side = (numbers[:, 0] * most).int() + 1
    start = (numbers[:, 1] * (sizes - side + 1)).int()
    return start, side


def sources(
    keys: Tensor, start: Tensor, side: Tensor, shape: Shape, *, in_sequence: bool
) -> Tensor:
    """Which voxel of the flattened batch each voxel comes from, int32, shape (B * N,).

    Args:
        keys: Of the permutations, shape (B,).
        start: Of the windows, shape (B, D, count).
        side: Of the windows, shape (B, D, count).
        shape: Spatial shape of the images; N is its product.
        in_sequence: One window after the other, so that the result is a permutation; otherwise
            each window reads the image as it was and writes over the windows before it.
    """
    block = _BLOCK if keys.device.type == "cpu" else _LARGE_BLOCK
    step = max(1, block // max(1, int(side.prod(1).sum(1).max())))
    arrange = _in_sequence if in_sequence else _from_original
    groups = [slice(first, first + step) for first in range(0, len(keys), step)]
    found = [arrange(keys[group], start[group], side[group], shape, block) for group in groups]
    for group, origin in zip(groups, found, strict=True):
        origin += group.start * math.prod(shape)
    return found[0] if len(found) == 1 else torch.cat(found)


def _in_sequence(keys: Tensor, start: Tensor, side: Tensor, shape: Shape, block: int) -> Tensor:
    """Compose the windows, later ones reading what earlier ones left."""
    order, run = runs(start, side)
    windows = flattened(keys, start, side, shape).only(order)
    origin = _numbers(len(keys) * math.prod(shape), keys.device).clone()
    for part in _blocks(windows, block):
        found = entries(windows.part(part))
        lengths = windows.length[part]
        place = run[part] - run[part.start]
        sizes = lengths.new_zeros(int(place[-1]) + 1).scatter_add_(0, place, lengths).tolist()
        _act(origin, found.voxel.long(), found.source.long(), sizes)
    return origin


def _act(origin: Tensor, voxel: Tensor, source: Tensor, sizes: list[int]) -> None:
    """Let the runs, of so many entries each, act on where voxels come from."""
    if origin.device.type == "cpu":
        held, own, read = origin.numpy(), voxel.numpy(), source.numpy()
        for first, last in itertools.pairwise(itertools.accumulate(sizes, initial=0)):
            held[own[first:last]] = held.take(read[first:last])
        return
    pieces = (torch.split(places, sizes) for places in (voxel, source))
    for here, there in zip(*pieces, strict=True):
        origin.scatter_(0, here, origin.index_select(0, there))


def _from_original(keys: Tensor, start: Tensor, side: Tensor, shape: Shape, block: int) -> Tensor:
    """Let the uppermost window at each voxel read the image as it was."""
    windows = flattened(keys, start, side, shape)
    if windows.length.sum() > _THICK * len(keys) * math.prod(shape):
        # Windows of which nothing is seen in the end need no permutation: in images, most.
        seen = torch.zeros(len(keys), start.shape[2] + 1, dtype=torch.bool, device=keys.device)
        seen.scatter_(1, uppermost(start, side, shape).long() + 1, value=True)
        windows = windows.only(seen[:, 1:].flatten().nonzero()[:, 0])
    origin = _numbers(len(keys) * math.prod(shape), keys.device).clone()
    for part in _blocks(windows, block):
        found = entries(windows.part(part))
        number = _numbers(len(origin) + len(found.voxel), keys.device)
        last, after = number[: len(origin)].clone(), number[len(origin) :]
        last.scatter_reduce_(0, found.voxel.long(), after, "amax")
        origin = torch.cat([origin, found.source]).index_select(0, last)
    return origin


def flattened(keys: Tensor, start: Tensor, side: Tensor, shape: Shape) -> Windows:
    """All windows of all samples, sample after sample; arguments as in `sources`."""
    dims, number = start.shape[1:]
    image = math.prod(shape) * torch.arange(len(keys), dtype=torch.int32, device=keys.device)
    place = first_voxels(start.transpose(0, 1), shape) + image[:, None]
    sides = side.transpose(0, 1).reshape(dims, -1).long()
    word = words(keys, number).flatten()
    return Windows(place.flatten(), sides, sides.prod(0), word, shape)


def runs(start: Tensor, side: Tensor) -> tuple[Tensor, Tensor]:
    """An order of all windows in which those of a run, of all samples, do not meet.

    Windows are told by the tile in which they start, tiles being as large as the sample's
    largest window. So no window reaches beyond the next tile, and two that start in different
    tiles with the same parities do not meet. A run has at most one window of each such tile:
    first the first ones drawn, tiles of one parity after the other, then the second ones ...

    Args:
        start: Of the windows, shape (B, D, count).
        side: Of the windows, shape (B, D, count).

    Returns:
        Place of each window among the B * count, and its run, from 0 in ascending order; both
        int64, shape (B * count,).
    """
    samples, dims, count = start.shape
    tile = (start / side.amax(2, keepdim=True)).int()
    parity = torch.zeros_like(tile[:, 0])
    cell = torch.arange(samples, device=start.device)[:, None]
    bits = int(tile.max()).bit_length()
    for along in tile.unbind(1):
        parity = (parity << 1) + (along & 1)
        cell = (cell << bits) + along
    number = torch.arange(samples * count, device=start.device)
    low = len(number).bit_length()
    word = (cell.flatten() << low) | number
    _sort(word)
    cell, drawn = word >> low, word & ((1 << low) - 1)
    first = number * (cell.diff(prepend=cell[:1] - 1) > 0)
    rank = number - first.cummax(0)[0]
    run = (rank << dims) | parity.flatten().index_select(0, drawn)
    word = (run << low) | drawn
    _sort(word)
    return word & ((1 << low) - 1), word >> low


def entries(windows: Windows) -> Entries:
    """List the voxels of windows, and permute each window."""
    voxel = listed(windows.place, windows.side, windows.shape)
    lengths = windows.length
    ends = lengths.cumsum(0)
    begins, total = (ends - lengths).int(), len(voxel)
    index = _numbers(total, voxel.device)
    # The sort has (window of its chunk, random, place in the window) in one word.
    low = int(lengths.max() - 1).bit_length()
    narrow = voxel.device.type == "cpu" and low + _RANDOM < 32
    kind = torch.int32 if narrow else torch.int64
    chunk = 1 << (torch.iinfo(kind).bits - 1 - low - _RANDOM)
    window = torch.arange(len(lengths), dtype=kind, device=voxel.device).bitwise_and_(chunk - 1)
    own = repeated((window << (low + _RANDOM)) - begins, lengths, total)
    random = mixed(repeated(windows.word - begins, lengths, total).add_(index)).to(kind)
    random = random.bitwise_right_shift_(32 - _RANDOM).bitwise_and_((1 << _RANDOM) - 1)
    word = random.bitwise_left_shift_(low).add_(own).add_(index)
    bounds = [0, *ends[chunk - 1 : -1 : chunk].tolist(), total]
    _sort(word, bounds)
    source = word.bitwise_and_(~(((1 << _RANDOM) - 1) << low)).sub_(own).int()
    return Entries(voxel, voxel.index_select(0, source))


def uppermost(start: Tensor, side: Tensor, shape: Shape) -> Tensor:
    """Which window lies over each voxel after all others, -1 for none, int16, shape (B, N).

    A window is the union of a few boxes whose sides are powers of two: the largest that fit,
    at each of its corners. Only these are written down, in a table with a level per power and
    axis; then every level hands its boxes, cut in halves, to the level below.

    Args:
        start: Of the windows, shape (B, D, count), count at most 32,767.
        side: Of the windows, shape (B, D, count), at least 1.
        shape: Spatial shape of the images.
    """
    count, dims, windows = start.shape
    level = (side + 0.5).log2().long()  # half a voxel more, so that no power of two is missed
    levels = [int(level[:, axis].max()) + 1 for axis in range(dims)]
    table = torch.full((count, *levels, *shape), -1, dtype=torch.int16, device=start.device)
    strides = torch.tensor(table.stride()[1:], device=start.device)
    base = (level * strides[:dims, None] + start * strides[dims:, None]).sum(1)
    base += table.stride(0) * torch.arange(count, device=start.device)[:, None]
    anchors = base[..., None]
    for axis in range(dims):
        other = (side[:, axis] - (1 << level[:, axis])) * strides[dims + axis]
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


def _blocks(windows: Windows, size: int) -> Iterator[slice]:
    """Consecutive windows, about `size` entries at a time, a window at least."""
    ends = windows.length.cumsum(0)
    targets = ends.new_tensor(range(size, int(ends[-1]), size))
    cuts = torch.searchsorted(ends, targets).tolist()
    bounds = sorted({0, *cuts, len(ends)})
    return (slice(first, last) for first, last in itertools.pairwise(bounds))


def _numbers(count: int, device: torch.device) -> Tensor:
    """0 .. count - 1, int32, not to be written to."""
    return _power_of_two(count.bit_length(), device)[:count]


@lru_cache(maxsize=8)
def _power_of_two(bits: int, device: torch.device) -> Tensor:
    return torch.arange(1 << bits, dtype=torch.int32, device=device)


def _sort(words: Tensor, bounds: list[int] | None = None) -> None:
    """Put the words between each two bounds in ascending order, in place."""
    if words.device.type == "cpu":  # numpy's sort is four times as fast as torch's
        array = words.numpy()
        for first, last in itertools.pairwise(bounds or [0, len(array)]):
            array[first:last].sort()
        return
    for first, last in itertools.pairwise(bounds or [0, len(words)]):
        words[first:last] = words[first:last].sort()[0]
