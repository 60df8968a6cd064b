"""How many bits an image needs, and how [0, 1] is kept in whole numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from medgraft.read.scan import Scan

DTYPES: dict[int, np.dtype[Any]] = {8: np.dtype(np.uint8), 16: np.dtype("<u2")}


def source_bits(scan: Scan) -> int:
    """Bits that a file spends on one value: 8 and fewer fit uint8, more need uint16.

    Examples:
        >>> source_bits(Scan(np.zeros((1, 4, 4), np.uint8)))
        8
        >>> source_bits(Scan(np.zeros((1, 4, 4), np.uint16), value_range=(0, 4095)))
        12
        >>> source_bits(Scan(np.zeros((1, 4, 4), np.float32)))
        32
    """
    kind = scan.array.dtype
    if kind.kind not in "iu" or scan.value_range is None:
        return 8 if kind.kind == "b" else kind.itemsize * 8
    low, high = scan.value_range
    return max(1, int(np.ceil(np.log2(high - low + 1))))


def quantised(array: np.ndarray, bits: int) -> np.ndarray:
    """[0, 1] as the nearest of 2**bits whole numbers; the error is at most half a step.

    Examples:
        >>> quantised(np.array([0.0, 0.5, 1.0]), 8)
        array([  0, 128, 255], dtype=uint8)
    """
    whole: np.ndarray = np.rint(array * np.float32(2**bits - 1)).astype(DTYPES[bits])
    return whole
