"""Pixels of one bit, eight to a byte (DICOM PS3.5, 8.1.1)."""

from __future__ import annotations

import numpy as np


def unpack(packed: bytes | bytearray, pixels: int) -> np.ndarray:
    """Bits, the lowest first, as one byte each.

    Examples:
        >>> unpack(bytes([0b00000101]), 4)
        array([1, 0, 1, 0], dtype=uint8)
    """
    if len(packed) * 8 < pixels:
        raise ValueError(f"a frame of {pixels} bits is cut short at {len(packed) * 8}")
    return np.unpackbits(np.frombuffer(packed, np.uint8), count=pixels, bitorder="little")
