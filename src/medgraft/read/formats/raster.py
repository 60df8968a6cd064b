"""Pictures: PNG, JPEG, BMP and GIF (Pillow; imagecodecs where Pillow would lose bits)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medgraft.read.codestream import announced
from medgraft.read.formats import reader
from medgraft.read.request import Request
from medgraft.read.scan import Scan

if TYPE_CHECKING:
    from PIL.Image import Image

PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
FORMATS = {PNG: "PNG", JPEG: "JPEG", b"BM": "BMP", b"GIF87a": "GIF", b"GIF89a": "GIF"}
COLOUR = {"RGB", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr", "LAB", "HSV"}
ORIENTATION = 0x0112  # the EXIF tag that says how the camera was held
CLEAR = {"RGBA", "LA", "PA", "RGBa", "La"}
PNG_DEPTH = 24  # byte of a PNG file that holds its bits per sample; the next one its colour type


def is_raster(head: bytes, path: Path) -> bool:
    """Whether a file begins like one of these pictures, and is no film of DDSM."""
    return head.startswith(tuple(FORMATS)) and path.suffix.lower() != ".ljpeg"


@reader("raster", suffixes=(".png", ".jpg", ".jpeg", ".jpe", ".bmp", ".gif"), sniff=is_raster)
def raster(request: Request) -> Scan:
    """Read a picture: (1, rows, columns) grey or (3, rows, columns) colour.

    The bits of the file are kept (16-bit PNG in grey and colour, 12-bit and lossless JPEG).
    A palette of greys is grey, another one becomes RGB; transparent pixels are laid on black;
    a JPEG that says how the camera was held is turned upright. A GIF with several frames
    becomes (C, frames, rows, columns). Dots per inch are no size in the patient: there is no
    spacing.

    Raises:
        ReadError: If it is damaged, cut short or too large.
    """
    if request.member is not None:
        raise request.refusal("a picture has no members", "Leave out what follows the '#'.")
    with request.path.open("rb") as handle:
        head = handle.read(32)
    if head.startswith(PNG) and head[PNG_DEPTH : PNG_DEPTH + 1] == b"\x10":
        return _deep_png(request, head)
    if head.startswith(JPEG):
        request.afford_file()
        data = request.path.read_bytes()
        found = announced(data)
        if found is not None and (found.bits != 8 or found.lossless):
            return _deep_jpeg(request, data)
    return _by_pillow(request, head)


def _deep_png(request: Request, head: bytes) -> Scan:
    """PNG with 16 bits per sample, which Pillow cuts to 8 in colour."""
    import imagecodecs

    columns, rows = int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    samples = {0: 1, 2: 3, 4: 2, 6: 4}.get(head[PNG_DEPTH + 1], 4)
    request.afford((rows, columns, samples), 16)
    request.afford_file()
    array = imagecodecs.png_decode(request.path.read_bytes())
    if samples in (2, 4):
        colours, cover = array[..., :-1], array[..., -1:].astype(np.float32) / 65535
        array = np.rint(colours * cover).astype(np.uint16)
    return _scan(request, array, 65535)


def _deep_jpeg(request: Request, data: bytes) -> Scan:
    """JPEG with 12 or 16 bits, or lossless."""
    from medgraft.read.decoders.jpeg import decode

    found = announced(data)
    assert found is not None
    request.afford((found.rows, found.columns, found.samples), 16)
    return _scan(request, decode(data), 2**found.bits - 1)


def _by_pillow(request: Request, head: bytes) -> Scan:
    from PIL import Image, ImageOps

    # Pillow would import all its plug-ins to ask whether one of several formats fits.
    fits = [name for start, name in FORMATS.items() if head.startswith(start)]
    with Image.open(request.path, formats=fits) as image:
        frames = int(getattr(image, "n_frames", 1)) if image.format == "GIF" else 1
        request.afford((frames, image.height, image.width, 4), 8)
        if frames > 1:
            return _film(request, image, frames)
        if image.format == "JPEG" and image.getexif().get(ORIENTATION, 1) != 1:
            array, high = _values(ImageOps.exif_transpose(image))
        else:
            array, high = _values(image)
    return _scan(request, array, high)


def _film(request: Request, image: Image, frames: int) -> Scan:
    pictures = []
    for number in range(frames):
        image.seek(number)
        pictures.append(np.asarray(image.convert("RGBA").convert("RGB")))
    array = np.stack(pictures)
    if (array == array[..., :1]).all():
        array = array[..., :1]
    return Scan(
        np.ascontiguousarray(np.moveaxis(array, -1, 0)), source=request.name, value_range=(0, 255)
    )


def _values(image: Image) -> tuple[np.ndarray, int]:
    """Pixels of a picture as grey or RGB, and the greatest value they can have."""
    if image.mode == "1":
        return np.asarray(image).astype(np.uint8), 1
    if image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16), 65535
    if "transparency" in image.info or image.mode in CLEAR:
        return _on_black(image), 255
    if image.mode == "P":
        array = np.asarray(image.convert("RGB"))
        return (array[..., 0] if _grey(_palette(image)) else array), 255
    if image.mode not in ("L", "RGB"):
        image = image.convert("RGB" if image.mode in COLOUR else "L")
    return np.asarray(image), 255


def _on_black(image: Image) -> np.ndarray:
    """Lay a picture with transparent pixels on black, as a viewer in a dark room would."""
    from PIL import Image as Pictures

    grey = image.mode in ("L", "LA", "La", "1") or (
        image.mode in ("P", "PA") and _grey(_palette(image))
    )
    image = image.convert("RGBA")
    ground = Pictures.new("RGBA", image.size, (0, 0, 0, 255))
    array = np.asarray(Pictures.alpha_composite(ground, image).convert("RGB"))
    return array[..., 0] if grey else array


def _palette(image: Image) -> np.ndarray:
    return np.array(image.getpalette("RGB") or [0, 0, 0]).reshape(-1, 3)


def _grey(colours: np.ndarray) -> bool:
    return bool((colours == colours[..., :1]).all())


def _scan(request: Request, array: np.ndarray, high: int) -> Scan:
    array = array[..., None] if array.ndim == 2 else array
    array = np.moveaxis(array, -1, 0)
    return Scan(np.ascontiguousarray(array), source=request.name, value_range=(0, high))
