"""Run-length coded segmentations of one bit per pixel (DICOM PS3.5, annex G and 8.1.1)."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
from pydicom import uid

if TYPE_CHECKING:
    from pydicom.pixels.decoders.base import DecodeRunner

HEADER_BYTES = 64
DECODER_DEPENDENCIES = {uid.RLELossless: ("imagecodecs",)}


def is_available(uid: str) -> bool:
    """Whether frames of this transfer syntax can be decoded here."""
    return uid in DECODER_DEPENDENCIES and find_spec("imagecodecs") is not None


def decode_frame(src: bytes, runner: DecodeRunner) -> bytes:
    """Decode one frame of packed bits; other depths are left to pydicom's own plug-ins.

    Returns:
        One byte per pixel, 0 or 1.
    """
    if runner.bits_allocated != 1 or runner.samples_per_pixel != 1:
        raise NotImplementedError("this decoder is for one bit per pixel")
    segments, start = (int.from_bytes(src[at : at + 4], "little") for at in (0, 4))
    if segments != 1 or start < HEADER_BYTES:
        raise ValueError(f"one RLE segment must hold the bits, got {segments}")
    import imagecodecs

    pixels = runner.rows * runner.columns
    packed = imagecodecs.packbits_decode(src[start:])
    return unpack(packed, pixels).tobytes()


def unpack(packed: bytes | bytearray, pixels: int) -> np.ndarray:
    """Bits, the lowest first, as one byte each.

    Examples:
        >>> unpack(bytes([0b00000101]), 4)
        array([1, 0, 1, 0], dtype=uint8)
    """
    if len(packed) * 8 < pixels:
        raise ValueError(f"a frame of {pixels} bits is cut short at {len(packed) * 8}")
    return np.unpackbits(np.frombuffer(packed, np.uint8), count=pixels, bitorder="little")
