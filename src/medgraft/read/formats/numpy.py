"""NumPy arrays: NPY, and one image out of an NPZ archive."""

from __future__ import annotations

import functools
import math
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from medgraft.read.formats import reader
from medgraft.read.request import Request
from medgraft.read.scan import Scan

NPY, ZIP = b"\x93NUMPY", b"PK\x03\x04"
KEPT_BYTES = 2**28  # a compressed archive is unpacked from its beginning for every image of it
PIECE = 2**20
DAMAGED = "The file is damaged or cut short; copy or export it again."


@dataclass(frozen=True)
class Layout:
    """The header of an NPY file.

    Attributes:
        shape: Sizes of the axes.
        fortran: Whether the first axis runs fastest.
        kind: Type of the values.
    """

    shape: tuple[int, ...]
    fortran: bool
    kind: np.dtype

    @property
    def bytes(self) -> int:
        """How many bytes the values take."""
        return math.prod(self.shape) * self.kind.itemsize


def is_numpy(head: bytes, path: Path) -> bool:
    """Whether a file is an NPY, or a zip archive that calls itself NPZ."""
    return head.startswith(NPY) or (head.startswith(ZIP) and path.suffix.lower() == ".npz")


@reader("numpy", suffixes=(".npy", ".npz"), sniff=is_numpy)
def numpy(request: Request) -> Scan:
    """Read one image from an NPY or NPZ file; nothing in it is ever executed.

    ``x.npz`` must hold one array; ``x.npz#images`` names one of several, ``x.npz#images/12``
    its image 12 along the first axis, ``x.npy#12`` the same of an NPY. An array of shape
    (rows, columns) is a grey picture, (rows, columns, 3) or (3, rows, columns) a colour one,
    (i, j, k) a volume, (i, j, k, 3) or (3, i, j, k) one with three channels; 1 may stand for 3.

    Raises:
        ReadError: If there is no such array or image, or it holds objects.
    """
    if request.path.stat().st_size < len(NPY):
        raise request.refusal("it is too short to hold an array", DAMAGED)
    with request.path.open("rb") as handle:
        single = handle.read(len(NPY)) == NPY
    array = _from_npy(request) if single else _from_npz(request)
    if array.dtype.kind == "b":
        return _as_scan(request, array.astype(np.uint8), (0, 1))
    if array.dtype.kind not in "iuf":
        raise request.refusal(
            f"it holds values of type {array.dtype}, which are no grey values",
            "Save it as integers or floats.",
        )
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    deep = array.dtype.kind == "u" and array.dtype.itemsize <= 2
    return _as_scan(request, array, (0, np.iinfo(array.dtype).max) if deep else None)


def _from_npy(request: Request) -> np.ndarray:
    with request.path.open("rb") as handle:
        return _one(request, handle, _number(request, request.member))


def _from_npz(request: Request) -> np.ndarray:
    member, number = _member(request)
    with zipfile.ZipFile(request.path) as archive, archive.open(f"{member}.npy") as handle:
        layout = _layout(request, handle)
        if number is None or layout.bytes > min(KEPT_BYTES, request.max_bytes):
            return _values(request, handle, layout, number)
    stat = request.path.stat()
    whole = _kept(request.path, member, stat.st_mtime_ns, stat.st_size)
    picture: np.ndarray = whole[_within(request, number, layout)]
    return picture


def _member(request: Request) -> tuple[str, int | None]:
    """The array that the request names, and the image within it."""
    with zipfile.ZipFile(request.path) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
    listed = ", ".join(names[:20]) or "none"
    if request.member is None:
        if len(names) == 1:
            return names[0], None
        raise request.refusal(
            f"it holds {len(names)} arrays ({listed}), and one must be named",
            f"Ask for '{request.path}#{names[0] if names else 'NAME'}/0', for example.",
        )
    if request.member in names:
        return request.member, None
    array, _, number = request.member.rpartition("/")
    if array in names:
        return array, _number(request, number)
    raise request.refusal(f"no array in it is called {request.member!r}", f"It holds: {listed}.")


def _number(request: Request, text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()):
        raise request.refusal(
            f"an image of it is named by a whole number from 0, got {text!r}",
            "Write it after the name, such as '#images/12'.",
        )
    return int(text)


@functools.lru_cache(maxsize=1)
def _kept(path: Path, member: str, changed: int, size: int) -> np.ndarray:  # noqa: ARG001 (keys)
    """A whole array, kept for the next image of it."""
    request = Request(path, member, max_bytes=KEPT_BYTES)
    with zipfile.ZipFile(path) as archive, archive.open(f"{member}.npy") as handle:
        array = _values(request, handle, _layout(request, handle), None)
    array.setflags(write=False)
    return array


def _one(request: Request, handle: IO[bytes], number: int | None) -> np.ndarray:
    return _values(request, handle, _layout(request, handle), number)


def _layout(request: Request, handle: IO[bytes]) -> Layout:
    """Read the header of an NPY and refuse objects before anything of them is read."""
    version = np.lib.format.read_magic(handle)
    header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if header is None:
        raise request.refusal(f"NPY version {version} is not known", "Save it again with numpy.")
    layout = Layout(*header(handle))
    if layout.kind.hasobject:
        raise request.refusal(
            "it holds Python objects, which would execute code", "Save it as numbers."
        )
    return layout


def _within(request: Request, number: int, layout: Layout) -> int:
    count = layout.shape[0] if layout.shape else 0
    if number >= count:
        raise request.refusal(f"it holds {count} images, numbered from 0", "Ask for one of them.")
    return number


def _values(request: Request, handle: IO[bytes], layout: Layout, number: int | None) -> np.ndarray:
    """The whole array, or its entry `number` along the first axis."""
    shape, skip = layout.shape, 0
    if number is not None:
        _within(request, number, layout)
        if layout.fortran:
            picture: np.ndarray = _values(request, handle, layout, None)[number]
            return picture
        shape = layout.shape[1:]
        skip = number * math.prod(shape) * layout.kind.itemsize
    need = request.afford(shape or (1,), 8 * layout.kind.itemsize)
    for piece in _pieces(skip):
        if len(handle.read(piece)) < piece:
            raise request.refusal("it is cut short", DAMAGED)
    raw = bytearray()
    for piece in _pieces(need):
        raw += handle.read(piece)
    if len(raw) != need:
        raise request.refusal(f"it is cut short: {len(raw)} bytes of {need}", DAMAGED)
    order = "F" if layout.fortran else "C"
    return np.frombuffer(raw, layout.kind).reshape(shape, order=order)  # type: ignore[call-overload,no-any-return]


def _pieces(total: int) -> Iterator[int]:
    """Sizes of reads: a header may promise more than the file holds."""
    for start in range(0, total, PIECE):
        yield min(PIECE, total - start)


def _as_scan(request: Request, array: np.ndarray, value_range: tuple[float, float] | None) -> Scan:
    array = channels_first(request, array)
    return Scan(np.ascontiguousarray(array), source=request.name, value_range=value_range)


def channels_first(request: Request, array: np.ndarray) -> np.ndarray:
    """An array with the axis of channels in front: (C, *spatial).

    Raises:
        ReadError: If its shape is that of no single image.
    """
    if array.ndim == 2:
        return array[None]
    if array.ndim in (3, 4):
        last, first = array.shape[-1] in (1, 3), array.shape[0] in (1, 3)
        if last and first and array.shape[-1] != array.shape[0]:
            last = array.shape[-1] == 3
            first = not last
        if last and not first:
            return np.moveaxis(array, -1, 0)
        if first and not last:
            return array
        if array.ndim == 3 and not first:
            return array[None]
    raise request.refusal(
        f"an array of shape {array.shape} is no single image",
        "Name one with '#NAME/0', or save it as (rows, columns), (rows, columns, 3) or (i, j, k).",
    )
