"""Run-length coded frames (DICOM PS3.5, annex G), also of one bit per pixel.

pydicom's own decoder is a loop in Python and knows no single bits; the one of pylibjpeg stops
the process' threads with a panic when a frame is damaged.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
from pydicom import uid

from medgraft.read.bits import unpack

if TYPE_CHECKING:
    from pydicom.pixels.decoders.base import DecodeRunner

HEADER_BYTES = 64
MOST_SEGMENTS = 15
DECODER_DEPENDENCIES = {uid.RLELossless: ("imagecodecs",)}


def is_available(uid: str) -> bool:
    """Whether frames of this transfer syntax can be decoded here."""
    return uid in DECODER_DEPENDENCIES and find_spec("imagecodecs") is not None


def decode_frame(src: bytes, runner: DecodeRunner) -> bytes:
    """Decode one frame.

    Args:
        src: The frame: a header of 64 bytes, then one segment per byte of a pixel, the most
            significant byte of the first sample first.
        runner: What the data set says of it; its planes are set to those of the result.

    Returns:
        Little endian pixels, plane by plane; one byte per pixel, 0 or 1, for single bits.

    Raises:
        ValueError: If the frame contradicts its header or the data set.
    """
    pixels = runner.rows * runner.columns
    parts = segments(src)
    if runner.bits_allocated == 1:
        if len(parts) != 1:
            raise ValueError(f"{len(parts)} RLE segments hold bits, where 1 must")
        return unpack(parts[0], pixels).tobytes()
    width = runner.bits_allocated // 8
    if len(parts) != runner.samples_per_pixel * width:
        raise ValueError(
            f"{len(parts)} RLE segments hold {runner.samples_per_pixel} samples of {width} bytes"
        )
    if any(len(part) < pixels for part in parts):
        raise ValueError(f"an RLE segment holds fewer than {pixels} pixels")
    planes = np.stack([np.frombuffer(part, np.uint8, pixels) for part in parts])
    planes = planes.reshape(runner.samples_per_pixel, width, pixels)[:, ::-1]  # least byte first
    runner.set_option("planar_configuration", 1)
    return planes.transpose(0, 2, 1).tobytes()


def segments(src: bytes) -> list[bytes]:
    """The unpacked segments of a frame."""
    import imagecodecs

    header = np.frombuffer(src[:HEADER_BYTES], "<u4")
    if len(header) < HEADER_BYTES // 4 or not 0 < header[0] <= MOST_SEGMENTS:
        raise ValueError("the RLE header is damaged or cut short")
    starts = [int(start) for start in header[1 : 1 + int(header[0])]]
    ends = [*starts[1:], len(src)]
    if starts[0] < HEADER_BYTES or any(a >= b for a, b in zip(starts, ends, strict=True)):
        raise ValueError("the RLE segments lie outside their frame")
    return [bytes(imagecodecs.packbits_decode(src[a:b])) for a, b in zip(starts, ends, strict=True)]
