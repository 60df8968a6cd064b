"""Random words on the device: number k of a sample is a hash of its key and k.

A distortion may need a number for every voxel. `medgraft.augment.streams` draws few numbers in
numpy; here whole noise fields are made where the images are, in 32-bit integers, whose
arithmetic every device does alike. So the same key gives the same bits on a processor and on an
accelerator, in any batch.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from medgraft.augment.streams import Stream

_BITS = 31  # of a key in each of its two halves
_HALF = (1 << _BITS) - 1
# Multipliers of the 32-bit finaliser "lowbias32" (Wellons 2018), the second one as a signed number.
_FIRST, _SECOND = 0x7FEB352D, 0x846CA68B - (1 << 32)


def new_keys(stream: Stream) -> npt.NDArray[np.int64]:
    """A key of 62 bits per sample, shape (B,)."""
    return (stream.integers()[:, 0] >> np.uint64(64 - 2 * _BITS)).view(np.int64)


def halves(keys: Tensor) -> tuple[Tensor, Tensor]:
    """The two halves of keys, int32, each of the shape of `keys`."""
    return (keys & _HALF).int(), ((keys >> _BITS) & _HALF).int()


def hashed(first: Tensor, second: Tensor, place: Tensor) -> Tensor:
    """Words at `place` for keys whose halves are given; all int32, of shapes that broadcast.

    The second half enters between two rounds, so that the words of two samples are never the
    same sequence shifted.
    """
    word = place + first
    shifted = (word >> 16).bitwise_and_(0xFFFF)
    word.bitwise_xor_(shifted).mul_(_FIRST).add_(second)
    torch.bitwise_right_shift(word, 15, out=shifted).bitwise_and_(0x1FFFF)
    word.bitwise_xor_(shifted).mul_(_SECOND)
    torch.bitwise_right_shift(word, 16, out=shifted).bitwise_and_(0xFFFF)
    return word.bitwise_xor_(shifted)


def mixed(word: Tensor) -> Tensor:
    """Another word of each, whose high bits depend on all its bits; int32, in place.

    The shifts copy the sign, so that two words become one: for numbers that may meet by chance.
    """
    shifted = word >> 16
    word.bitwise_xor_(shifted).mul_(_FIRST)
    torch.bitwise_right_shift(word, 15, out=shifted)
    return word.bitwise_xor_(shifted).mul_(_SECOND)


def words(keys: Tensor, count: int) -> Tensor:
    """The first `count` words of each sample, 32 random bits each, int32, shape (B, count).

    Examples:
        >>> few, many = torch.tensor([7]), torch.tensor([3, 7])
        >>> torch.equal(words(few, 5)[0], words(many, 5)[1])
        True
    """
    first, second = halves(keys)
    place = torch.arange(count, dtype=torch.int32, device=keys.device)
    return hashed(first[:, None], second[:, None], place)


def halfwords(keys: Tensor, count: int) -> Tensor:
    """The first `count` halves of the words of each sample, 16 random bits each, int16, (B, count).

    Half the work of whole words, for numbers that need no finer steps.
    """
    return words(keys, (count + 1) // 2).view(torch.int16)[:, :count]


def unit(word: Tensor) -> Tensor:
    """Words as float32 numbers uniform in [0, 1).

    Of 23 bits: a number times a size below 2^23 then never rounds up to the size itself.
    """
    return (word >> 9).bitwise_and_(0x7FFFFF).float().mul_(2.0**-23)
