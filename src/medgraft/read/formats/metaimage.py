"""MetaImage: MHA, or MHD beside its data; read from its definition.

The definition is https://itk.org/Wiki/ITK/MetaIO/Documentation.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medgraft.read import packed
from medgraft.read.formats import reader
from medgraft.read.patch import Patch, moved
from medgraft.read.place import affine_from_lps
from medgraft.read.request import Request
from medgraft.read.scan import Scan

HEADER_BYTES = 2**16
TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG": "i4",  # four bytes, whatever the machine
    "MET_ULONG": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
PLACES = {
    "offset": ("offset", "origin", "position"),
    "matrix": ("transformmatrix", "rotation", "orientation"),
}


@dataclass(frozen=True)
class Values:
    """Where the values of an image stand.

    Attributes:
        path: The file, which may be the header itself.
        start: The first byte in it; None if they are the last of the file.
        kind: Type of a value, with its byte order.
        encoding: "raw", "text" or "zlib".
    """

    path: Path
    start: int | None
    kind: np.dtype
    encoding: str


def is_metaimage(head: bytes, path: Path) -> bool:  # noqa: ARG001 (the signature of a sniff)
    """Whether a file begins with the keys of a MetaImage header."""
    return re.match(rb"\s*(ObjectType\s*=\s*Image|NDims\s*=\s*\d)", head) is not None


@reader("metaimage", suffixes=(".mha", ".mhd"), sniff=is_metaimage)
def metaimage(request: Request) -> Scan:
    """Read a MetaImage: (C, i, j) or (C, i, j, k), axes in the order of the file.

    ``scan.mhd#at/-128.7,-175.3,-298.4/48mm`` is a patch of a volume: a cube of 48 mm around a place
    in the millimetres of the file (x to the left, y to the back, z to the head), cut off at the
    edge of the volume. Of values that are not packed only the patch is read.

    Raises:
        ReadError: If it is damaged or cut short, or has other than 2 or 3 axes (4 are a series
            of volumes: its last axis becomes the channels), or a patch lies outside of it.
    """
    patch = Patch.parse(request.member or "")
    if request.member is not None and patch is None:
        raise request.refusal(
            "it has no such member", "Leave out what follows the '#', or ask for '#at/x,y,z/48mm'."
        )
    fields, end = _header(request)
    sizes = [int(word) for word in fields.get("dimsize", "").split()]
    axes = int(fields.get("ndims", "0"))
    if len(sizes) != axes or axes not in (2, 3, 4):
        raise request.refusal(
            f"it has {axes} axes of sizes {sizes}; an image has 2 or 3", packed.DAMAGED
        )
    channels = int(fields.get("elementnumberofchannels", "1"))
    if axes == 4 and channels > 1:
        raise request.refusal("it has both channels and a fourth axis", "Save them as files.")
    spacing, affine = _place(fields, min(axes, 3), axes)
    values, shape = _where(request, fields, end), (channels, *sizes)
    if patch is not None:
        if affine is None or axes != 3:
            raise request.refusal("its header gives no place in millimetres", "Take all of it.")
        try:
            box = patch.box(affine, sizes)
        except ValueError as error:
            raise request.refusal(str(error), "Correct the place.") from error
        array, affine = _part(request, values, shape, box), moved(affine, box)
    else:
        array = _whole(request, values, shape)
    if axes == 4:
        array = np.moveaxis(array[0], -1, 0)
    return Scan(
        np.ascontiguousarray(array),
        spacing,
        affine,
        fields.get("modality", "").removeprefix("MET_MOD_").strip() or None,
        request.name,
        (0, 255) if array.dtype == np.uint8 else None,
    )


def _header(request: Request) -> tuple[dict[str, str], int]:
    """Keys in lower case; the header ends with the line of ElementDataFile."""
    with request.path.open("rb") as handle:
        text = handle.read(HEADER_BYTES)
    fields: dict[str, str] = {}
    at = 0
    for line in text.splitlines(keepends=True):
        at += len(line)
        key, equals, value = line.decode("latin-1").partition("=")
        if equals:
            fields[key.strip().lower()] = value.strip()
        if key.strip().lower() == "elementdatafile":
            return fields, at
    raise request.refusal("its header names no data (ElementDataFile)", packed.DAMAGED)


def _where(request: Request, fields: dict[str, str], end: int) -> Values:
    name = fields.get("elementtype", "").upper()
    if name not in TYPES:
        raise request.refusal(
            f"its values are of type {name!r}, which is not known", packed.DAMAGED
        )
    big = _true(fields.get("binarydatabyteordermsb")) or _true(fields.get("elementbyteordermsb"))
    kind = np.dtype((">" if big else "<") + TYPES[name])
    encoding = "raw" if _true(fields.get("binarydata", "True")) else "text"
    if _true(fields.get("compresseddata")):
        encoding = "zlib"
    where = fields["elementdatafile"]
    if where.split(" ")[0] == "LIST" or "%" in where:
        raise request.refusal(
            "its values are spread over several files", "Save it as one MHA file."
        )
    own = where.upper() == "LOCAL"
    path = request.path if own else packed.sibling(request, where)
    skip = int(fields.get("headersize", "0"))
    last = skip == -1 and encoding == "raw"
    return Values(path, None if last else (end if own else 0) + max(skip, 0), kind, encoding)


def _start(values: Values, need: int) -> int:
    """The first byte of `need` bytes of values."""
    if values.start is not None:
        return values.start
    return max(values.path.stat().st_size - need, 0)


def _whole(request: Request, values: Values, shape: tuple[int, ...]) -> np.ndarray:
    need = request.afford(shape, 8 * values.kind.itemsize)
    with values.path.open("rb") as handle:
        handle.seek(_start(values, need))
        return packed.numbers(request, handle, shape, values.kind, values.encoding)


def _part(
    request: Request, values: Values, shape: tuple[int, ...], box: tuple[slice, ...]
) -> np.ndarray:
    """The values in a box of a volume; the first axis of `shape` is that of the channels."""
    if values.encoding != "raw":
        return _whole(request, values, shape)[:, *box]
    request.afford([shape[0], *(part.stop - part.start for part in box)], 8 * values.kind.itemsize)
    need = math.prod(shape) * values.kind.itemsize
    start = _start(values, need)
    if values.path.stat().st_size < start + need:
        raise request.refusal(f"it is cut short: {need} bytes are announced", packed.DAMAGED)
    mapped = np.memmap(values.path, values.kind, "r", start, shape, order="F")
    return np.array(mapped[:, *box], dtype=values.kind.newbyteorder("="))


def _true(text: str | None) -> bool:
    return (text or "").strip().lower() in ("true", "t", "1", "yes")


def _place(
    fields: dict[str, str], dims: int, axes: int
) -> tuple[tuple[float, ...] | None, np.ndarray | None]:
    spacing = _floats(fields, ("elementspacing", "elementsize"), axes)
    if spacing is None or min(spacing[:dims]) <= 0:
        return None, None
    found = tuple(spacing[:dims])
    offset = _floats(fields, PLACES["offset"], axes)
    matrix = _floats(fields, PLACES["matrix"], axes * axes)
    if dims < 3 or offset is None:
        return found, None
    turn = np.eye(3) if matrix is None else np.array(matrix).reshape(axes, axes)[:3, :3]
    return found, affine_from_lps([turn[at] * found[at] for at in range(3)], offset[:3])


def _floats(fields: dict[str, str], keys: tuple[str, ...], count: int) -> list[float] | None:
    for key in keys:
        values = [float(word) for word in fields.get(key, "").split()]
        if len(values) == count and np.isfinite(values).all():
            return values
    return None
