"""JPEG with 12 bits and lossless JPEG, decoded by imagecodecs.

pydicom alone leaves both to a GPL library or to gdcm.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
from pydicom import uid

from medgraft.read.codestream import announced

if TYPE_CHECKING:
    from pydicom.pixels.decoders.base import DecodeRunner

END_OF_IMAGE = b"\xff\xd9"
DECODER_DEPENDENCIES = {
    uid.JPEGExtended12Bit: ("imagecodecs",),
    uid.JPEGLossless: ("imagecodecs",),
    uid.JPEGLosslessSV1: ("imagecodecs",),
}


def is_available(uid: str) -> bool:
    """Whether frames of this transfer syntax can be decoded here."""
    return uid in DECODER_DEPENDENCIES and find_spec("imagecodecs") is not None


def decode_frame(src: bytes, runner: DecodeRunner) -> bytes:
    """Decode one frame of JPEG, converting no colours: pydicom does that from the tags.

    Args:
        src: The frame.
        runner: What the data set says of it; its bits and planes are set to those of the result.

    Returns:
        Pixels, little endian, colour by pixel.
    """
    found = announced(src)
    if found is None or (found.bits == 8 and not found.lossless):
        raise NotImplementedError("this decoder is for 12 bits and for lossless JPEG")
    pixels = decode(src)
    runner.set_option("bits_allocated", 8 * pixels.dtype.itemsize)
    runner.set_option("planar_configuration", 0)
    return pixels.astype(pixels.dtype.newbyteorder("<"), copy=False).tobytes()


def decode(src: bytes) -> np.ndarray:
    """Decode a JPEG of any precision, its components as they are stored.

    Returns:
        Shape (rows, columns) or (rows, columns, samples), uint8 or uint16.

    Raises:
        ValueError: If the stream is cut short; the decoder would fill the rest with grey.
    """
    import imagecodecs

    if END_OF_IMAGE not in src[-64:]:
        raise ValueError("the JPEG stream has no end: it is cut short")
    # libjpeg-turbo for lossless streams too: liblj92 (ljpeg_decode) writes past its memory if one
    # is damaged, which ends the process.
    found = announced(src)
    space = "RGB" if found is not None and found.samples == 3 else None
    return np.asarray(imagecodecs.jpeg8_decode(src, colorspace=space, outcolorspace=space))
