"""MetaImage: MHA, or MHD beside its data; read from its definition.

The definition is https://itk.org/Wiki/ITK/MetaIO/Documentation.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from medgraft.read import packed
from medgraft.read.formats import reader
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


def is_metaimage(head: bytes, path: Path) -> bool:  # noqa: ARG001 (the signature of a sniff)
    """Whether a file begins with the keys of a MetaImage header."""
    return re.match(rb"\s*(ObjectType\s*=\s*Image|NDims\s*=\s*\d)", head) is not None


@reader("metaimage", suffixes=(".mha", ".mhd"), sniff=is_metaimage)
def metaimage(request: Request) -> Scan:
    """Read a MetaImage: (C, i, j) or (C, i, j, k), axes in the order of the file.

    Raises:
        ReadError: If it is damaged or cut short, or has other than 2 or 3 axes (4 are a series
            of volumes: its last axis becomes the channels).
    """
    if request.member is not None:
        raise request.refusal("a MetaImage has no members", "Leave out what follows the '#'.")
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
    array = _values(request, fields, end, (channels, *sizes))
    if axes == 4:
        array = np.moveaxis(array[0], -1, 0)
    spacing, affine = _place(fields, min(axes, 3), axes)
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


def _values(
    request: Request, fields: dict[str, str], end: int, shape: tuple[int, ...]
) -> np.ndarray:
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
    with path.open("rb") as handle:
        skip = int(fields.get("headersize", "0"))
        if skip == -1 and encoding == "raw":
            need = request.afford(shape, 8 * kind.itemsize)
            handle.seek(max(path.stat().st_size - need, 0))
        else:
            handle.seek((end if own else 0) + max(skip, 0))
        return packed.numbers(request, handle, shape, kind, encoding)


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
