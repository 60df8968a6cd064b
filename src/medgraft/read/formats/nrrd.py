"""NRRD, whole (.nrrd) or as a header beside its data (.nhdr); read from its definition.

The definition is https://teem.sourceforge.net/nrrd/format.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from medgraft.read import packed
from medgraft.read.formats import reader
from medgraft.read.place import LPS_TO_RAS, lengths
from medgraft.read.request import Request
from medgraft.read.scan import Scan

MAGIC = b"NRRD000"
HEADER_BYTES = 2**20
TYPES = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": ("longlong", "long long", "long long int", "signed long long", "int64", "int64_t"),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "f4": ("float",),
    "f8": ("double",),
}
KIND = {name: code for code, names in TYPES.items() for name in names}
ENCODINGS = {
    "raw": "raw",
    "txt": "text",
    "text": "text",
    "ascii": "text",
    "hex": "hex",
    "gz": "gzip",
    "gzip": "gzip",
    "bz2": "bzip2",
    "bzip2": "bzip2",
}
IN_SPACE = {"space", "domain"}  # kinds of axis that lie in the patient
TO_RAS = {
    "right-anterior-superior": np.eye(4),
    "ras": np.eye(4),
    "left-anterior-superior": np.diag([-1.0, 1.0, 1.0, 1.0]),
    "las": np.diag([-1.0, 1.0, 1.0, 1.0]),
    "left-posterior-superior": LPS_TO_RAS,
    "lps": LPS_TO_RAS,
}


@dataclass(frozen=True)
class Header:
    """The fields of an NRRD header, keys in lower case, and where its own data begin."""

    fields: dict[str, str]
    data_files: tuple[str, ...]
    end: int


def is_nrrd(head: bytes, path: Path) -> bool:  # noqa: ARG001 (the signature of a sniff)
    """Whether a file begins as NRRD does."""
    return head.startswith(MAGIC)


@reader("nrrd", suffixes=(".nrrd", ".nhdr"), sniff=is_nrrd)
def nrrd(request: Request) -> Scan:
    """Read an NRRD image: (C, i, j) or (C, i, j, k), axes in the order of the file.

    The axis that does not lie in space (colours, vectors, time) becomes the channels. Data may
    be raw, text, hex, gzip or bzip2; a detached header names files of its own folder.

    Raises:
        ReadError: If it is damaged or cut short, has one axis or several besides space, or
            holds blocks.
    """
    if request.member is not None:
        raise request.refusal("an NRRD file has no members", "Leave out what follows the '#'.")
    header = _header(request)
    sizes = tuple(_whole(request, header, "sizes"))
    kind = _kind(request, header)
    request.afford(sizes, 8 * kind.itemsize)
    channel = _channel_axis(request, header, sizes)
    array = _values(request, header, sizes, kind)
    array = array[None] if channel is None else np.moveaxis(array, channel, 0)
    spacing, affine = _place(header, len(sizes), channel)
    return Scan(
        np.ascontiguousarray(array),
        spacing,
        affine,
        source=request.name,
        value_range=(0, 255) if array.dtype == np.uint8 else None,
    )


def _header(request: Request) -> Header:
    """Parse the text before the first empty line; the first of two equal keys stands."""
    with request.path.open("rb") as handle:
        text = handle.read(HEADER_BYTES)
    found = re.search(rb"\r?\n\r?\n", text)
    body = text[: found.start()] if found else text
    fields: dict[str, str] = {}
    lines = body.decode("latin-1").splitlines()[1:]
    listed: tuple[str, ...] = ()
    for number, line in enumerate(lines):
        key, colon, value = line.partition(":")
        if line.startswith("#") or not colon or value.startswith("="):
            continue
        key, value = key.strip().lower(), value.strip()
        fields.setdefault({"datafile": "data file"}.get(key, key), value)
        if key in ("data file", "datafile") and value.split(" ")[0] == "LIST":
            listed = tuple(filter(None, (name.strip() for name in lines[number + 1 :])))
            break
    name = fields.get("data file")
    if name is None and found is None:
        raise request.refusal("its header does not end: it is cut short", packed.DAMAGED)
    if name is not None and "%" in name:
        listed = _pattern(request, name)
    elif name is not None and not listed:
        listed = (name,)
    return Header(fields, listed, found.end() if found else len(text))


def _pattern(request: Request, text: str) -> tuple[str, ...]:
    """File names from ``pattern first last step``, such as ``slice%03d.raw 1 20 1``."""
    found = re.fullmatch(r"(\S*%0?(\d*)d\S*) (-?\d+) (-?\d+) (-?\d+)(?: \d+)?", text)
    if not found or int(found[5]) == 0:
        raise request.refusal(f"its data files {text!r} are no pattern", packed.DAMAGED)
    first, last, step = int(found[3]), int(found[4]), int(found[5])
    count = (last - first) // step + 1
    if not 0 < count <= 100_000:
        raise request.refusal(f"it is spread over {count} files", packed.DAMAGED)
    field = re.compile(r"%0?\d*d")
    width = min(int(found[2] or 0), 20)
    names = (f"{first + at * step:0{width}d}" for at in range(count))
    return tuple(field.sub(name, found[1], count=1) for name in names)


def _whole(request: Request, header: Header, key: str) -> list[int]:
    try:
        values = [int(word) for word in header.fields[key].split()]
        if key != "sizes" or len(values) == int(header.fields["dimension"]):
            return values
    except (KeyError, ValueError):
        pass
    raise request.refusal(
        f"its header gives {key} as {header.fields.get(key)!r}"
        f" for {header.fields.get('dimension')!r} axes",
        packed.DAMAGED,
    )


def _kind(request: Request, header: Header) -> np.dtype:
    name = " ".join(header.fields.get("type", "").lower().split())
    if name not in KIND:
        raise request.refusal(
            f"its values are of type {name!r}, which is not known", packed.DAMAGED
        )
    big = header.fields.get("endian", "little").lower() == "big"
    return np.dtype((">" if big else "<") + KIND[name])


def _channel_axis(request: Request, header: Header, sizes: Sequence[int]) -> int | None:
    """The one axis that does not lie in space, if there is one."""
    outside = _outside(header, len(sizes))
    if not outside and len(sizes) == 4:
        outside = [3]
    if len(outside) > 1 or len(sizes) - len(outside) not in (2, 3):
        raise request.refusal(
            f"it has {len(sizes)} axes, {len(outside)} of them not in space; an image has 2 or 3"
            " in space and at most one of channels",
            "Save each image of it as a file.",
        )
    return outside[0] if outside else None


def _outside(header: Header, axes: int) -> list[int]:
    directions = _directions(header)
    if directions is not None and len(directions) == axes:
        return [at for at, step in enumerate(directions) if step is None]
    kinds = header.fields.get("kinds", "").lower().split()
    if len(kinds) == axes:
        return [at for at, kind in enumerate(kinds) if kind not in IN_SPACE | {"???", "none"}]
    return []


def _directions(header: Header) -> list[np.ndarray | None] | None:
    """The step along each axis, None for an axis outside space; None if not given."""
    text = header.fields.get("space directions")
    if text is None:
        return None
    words = re.findall(r"none|\([^)]*\)", text)
    return [None if word == "none" else _vector(word) for word in words]


def _vector(text: str) -> np.ndarray:
    return np.array([float(word) for word in text.strip("() ").split(",")])


def _values(request: Request, header: Header, sizes: tuple[int, ...], kind: np.dtype) -> np.ndarray:
    name = header.fields.get("encoding", "").lower()
    encoding = ENCODINGS.get(name, name)
    skips = [_whole(request, header, key)[0] if key in header.fields else 0 for key in SKIPS]
    parts = max(len(header.data_files), 1)
    if parts > 1 and sizes[-1] % parts:
        raise request.refusal(f"its {parts} data files do not divide {sizes[-1]}", packed.DAMAGED)
    shape = (*sizes[:-1], sizes[-1] // parts)
    arrays = []
    for part in header.data_files or (None,):
        with _data(request, header, part) as handle:
            arrays.append(_skip_and_read(request, handle, shape, kind, encoding, skips))
    return arrays[0] if parts == 1 else np.concatenate(arrays, axis=-1)


SKIPS = ("line skip", "byte skip")


@contextmanager
def _data(request: Request, header: Header, part: str | None) -> Iterator[IO[bytes]]:
    path = request.path if part is None else packed.sibling(request, part)
    with path.open("rb") as handle:
        if part is None:
            handle.seek(header.end)
        yield handle


def _skip_and_read(
    request: Request,
    handle: IO[bytes],
    shape: tuple[int, ...],
    kind: np.dtype,
    encoding: str,
    skips: Sequence[int],
) -> np.ndarray:
    """Skip lines of the file, then bytes of the unpacked data; -1 bytes: read from the end."""
    lines, skipped = skips
    if lines < 0 or skipped < -1:
        raise request.refusal(
            f"its header skips {lines} lines and {skipped} bytes; the least are 0 and -1",
            packed.DAMAGED,
        )
    for _ in range(min(lines, HEADER_BYTES)):
        handle.readline(HEADER_BYTES)
    if encoding in ("text", "hex") or skipped == 0:
        return packed.numbers(request, handle, shape, kind, encoding, exact=True)
    need = request.afford(shape, 8 * kind.itemsize)
    if skipped == -1:
        raw = packed.last_bytes(request, handle, need, encoding)
    else:
        request.afford((need + skipped,), 8)
        raw = packed.raw_bytes(request, handle, need + skipped, encoding, exact=True)[skipped:]
    return np.frombuffer(raw, kind).reshape(shape, order="F").astype(kind.newbyteorder("="))


def _place(
    header: Header, axes: int, channel: int | None
) -> tuple[tuple[float, ...] | None, np.ndarray | None]:
    """Spacing along the axes in space, and the affine where the header names its space."""
    inside = [at for at in range(axes) if at != channel]
    directions = _directions(header)
    if directions is not None and len(directions) == axes:
        steps = [step for at in inside if (step := directions[at]) is not None]
        if len(steps) == len(inside) and all(len(step) == 3 for step in steps):
            return _in_patient(header, steps)
        found = tuple(float(np.linalg.norm(step)) for step in steps)
    else:
        words = header.fields.get("spacings", "").split()
        found = tuple(float(words[at]) for at in inside) if len(words) == axes else ()
    usable = len(found) == len(inside) and np.isfinite(found).all() and min(found) > 0
    return (found if usable else None), None


def _in_patient(
    header: Header, steps: Sequence[np.ndarray]
) -> tuple[tuple[float, ...] | None, np.ndarray | None]:
    affine = np.eye(4)
    for at, step in enumerate(steps):
        affine[:3, at] = step
    if len(steps) == 2:
        across = np.cross(steps[0], steps[1])
        affine[:3, 2] = across / (np.linalg.norm(across) or 1)
    origin = header.fields.get("space origin")
    affine[:3, 3] = _vector(origin) if origin else 0
    spacing = lengths(affine, len(steps))
    if not np.isfinite(affine).all() or min(spacing) <= 0:
        return None, None
    turn = TO_RAS.get(header.fields.get("space", "").lower())
    return spacing, None if turn is None or origin is None else turn @ affine + 0.0
