"""Decode the pixels of a DICOM data set as they are stored, colours turned to RGB."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from medgraft.read import decoders
from medgraft.read.bits import unpack
from medgraft.read.codestream import announced
from medgraft.read.request import Request

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

DEFLATED_FRAMES = "1.2.840.10008.1.2.8.1"
GREY = ("MONOCHROME1", "MONOCHROME2")
DAMAGED = "The file is damaged or cut short; copy or export it again."


@dataclass(frozen=True)
class Stored:
    """Pixels as they are stored.

    Attributes:
        array: Shape (frames, rows, columns, samples).
        low: Least value that the file can hold; None for floats.
        high: Greatest such value.
        colour: Whether the samples are red, green and blue.
    """

    array: np.ndarray
    low: int | None
    high: int | None
    colour: bool


def shape(request: Request, tags: Dataset) -> tuple[int, int, int, int]:
    """(frames, rows, columns, samples) as the tags give them.

    Raises:
        ReadError: If they are no numbers, or more than may be taken.
    """
    try:
        frames = int(tags.get("NumberOfFrames") or 1)
        sizes = (frames, int(tags.Rows), int(tags.Columns), int(tags.get("SamplesPerPixel") or 1))
        bits = int(tags.get("BitsAllocated") or 0)
    except (ValueError, TypeError) as error:
        raise request.refusal(f"its sizes are no numbers ({error})", DAMAGED) from error
    if bits not in (1, 8, 16, 32, 64):
        raise request.refusal(
            f"it has {bits} bits per value, and 1, 8, 16, 32 or 64 are known", DAMAGED
        )
    if sizes[3] not in (1, 3):
        raise request.refusal(
            f"it has {sizes[3]} samples per pixel, and 1 (grey) or 3 (colour) are known", DAMAGED
        )
    request.afford(sizes, max(bits, 8))
    return sizes


def decode(request: Request, data: Dataset) -> Stored:
    """Decode all frames, colours turned to RGB.

    Raises:
        ReadError: If a frame is damaged, contradicts the tags, or nothing here decodes it.
    """
    sizes = shape(request, data)
    syntax = data.file_meta.TransferSyntaxUID
    if syntax == DEFLATED_FRAMES:
        array, properties = _inflated(request, data, sizes)
    else:
        array, properties = _by_pydicom(request, data, sizes)
    array = array.reshape(-1, *sizes[1:])
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    return _colours(request, data, array, properties)


def _by_pydicom(
    request: Request, data: Dataset, sizes: tuple[int, ...]
) -> tuple[np.ndarray, dict[str, Any]]:
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import RLELossless

    decoders.install()
    syntax = data.file_meta.TransferSyntaxUID
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError as error:
        raise request.refusal(
            f"its transfer syntax {_named(syntax)} is not known",
            "Convert it to an uncompressed file, with dcmdjpeg or gdcmconv.",
        ) from error
    if not decoder.is_available:
        raise request.refusal(
            f"its transfer syntax {_named(syntax)} needs a decoder that is not installed",
            f"Install one of: {'; '.join(decoder.missing_dependencies)}.",
        )
    if syntax.is_encapsulated:
        _check_frames(request, data, sizes)
    plugin = "medgraft.rle" if syntax == RLELossless else ""
    try:
        array, properties = decoder.as_array(
            data,
            decoding_plugin=plugin,
            allow_excess_frames=False,  # type: ignore[arg-type]
        )
    except RuntimeError as error:
        tried = "; ".join(line.strip() for line in str(error).splitlines()[1:]) or str(error)
        raise request.refusal(
            f"its pixels, coded as {_named(syntax)}, cannot be decoded (tried {tried})", DAMAGED
        ) from error
    return array, dict(properties)


def _named(syntax: Any) -> str:
    return f"{syntax.name!r} ({syntax})" if syntax.name != syntax else f"{syntax}"


def _frames(data: Dataset, count: int) -> list[bytes]:
    from pydicom.encaps import generate_frames

    return list(generate_frames(data.PixelData, number_of_frames=count))


def _check_frames(request: Request, data: Dataset, sizes: tuple[int, ...]) -> None:
    """Compare each coded frame with the tags: a decoder takes the memory that a frame asks for."""
    for number, frame in enumerate(_frames(data, sizes[0])[: sizes[0]], start=1):
        found = announced(frame)
        if found and (found.rows, found.columns, found.samples) != sizes[1:]:
            raise request.refusal(
                f"frame {number} is coded as {found.rows} x {found.columns} x {found.samples},"
                f" its tags say {sizes[1]} x {sizes[2]} x {sizes[3]}",
                DAMAGED,
            )


def _inflated(
    request: Request, data: Dataset, sizes: tuple[int, ...]
) -> tuple[np.ndarray, dict[str, Any]]:
    """Frames that were deflated one by one (DICOM supplement 244), newer than pydicom 3.0."""
    bits = int(data.BitsAllocated)
    values = math.prod(sizes[1:])
    need = math.ceil(values * bits / 8)
    packed = _frames(data, sizes[0])
    if len(packed) != sizes[0]:
        raise request.refusal(f"it holds {len(packed)} frames of {sizes[0]}", DAMAGED)
    frames = []
    for number, frame in enumerate(packed, start=1):
        raw = zlib.decompressobj(-zlib.MAX_WBITS).decompress(frame, need + 2)
        if not need <= len(raw) <= need + 1:  # one byte may be added to make the length even
            raise request.refusal(
                f"frame {number} unpacks to {len(raw)} bytes or more, its tags say {need}", DAMAGED
            )
        signed = "i" if data.get("PixelRepresentation") == 1 else "u"
        kind = np.dtype(f"<{signed}{max(bits // 8, 1)}")
        frames.append(unpack(raw, values) if bits == 1 else np.frombuffer(raw[:need], kind))
    array = np.stack(frames)
    if sizes[3] == 3 and data.get("PlanarConfiguration") == 1:
        array = array.reshape(-1, 3, *sizes[1:3]).transpose(0, 2, 3, 1)
    return array, {"photometric_interpretation": str(data.PhotometricInterpretation)}


def _colours(
    request: Request, data: Dataset, array: np.ndarray, properties: dict[str, Any]
) -> Stored:
    meaning = str(properties["photometric_interpretation"])
    if meaning == "PALETTE COLOR":
        return _palette(request, data, array)
    if array.shape[3] == 1 and meaning in GREY:
        return Stored(array, *_declared(data, array), colour=False)
    if array.shape[3] == 3 and meaning in ("RGB", "YBR_RCT", "YBR_ICT"):
        return Stored(array, *_declared(data, array), colour=True)  # both YBR were undone already
    raise request.refusal(
        f"its {array.shape[3]} samples per pixel mean {meaning!r}, which is not known",
        "Convert it to MONOCHROME2 or RGB.",
    )


def _declared(data: Dataset, array: np.ndarray) -> tuple[int | None, int | None]:
    """The range that the tags declare: stored bits, with or without a sign."""
    if array.dtype.kind == "f":
        return None, None
    bits = int(data.get("BitsStored") or data.BitsAllocated)
    if array.dtype.kind == "i":
        return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    return 0, 2**bits - 1


def _palette(request: Request, data: Dataset, array: np.ndarray) -> Stored:
    from pydicom.pixels.processing import apply_color_lut

    request.afford((*array.shape, 3), 16)
    array = apply_color_lut(array[..., 0], data)[..., :3]
    return Stored(array, 0, int(np.iinfo(array.dtype).max), colour=True)
