"""Numbers in a file beside or behind a text header, packed or not: NRRD and MetaImage."""

from __future__ import annotations

import bz2
import math
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from medgraft.read.request import Request

PIECE = 2**20
DAMAGED = "The file is damaged or cut short; copy or export it again."
Unpack = Callable[[bytes, int], bytes]


def sibling(request: Request, name: str) -> Path:
    """The data file that a detached header names.

    It must lie in the header's folder or below: a header is not trusted to point elsewhere.

    Raises:
        ReadError: If it lies elsewhere, or is missing.
    """
    folder = request.path.parent.resolve()
    path = (folder / name).resolve()
    if not path.is_relative_to(folder):
        raise request.refusal(
            f"its header points to '{name}', outside its own folder",
            "Put the data file beside its header.",
        )
    if not path.is_file():
        raise request.refusal(
            f"its data file '{name}' is missing", "Put the data file beside its header."
        )
    return path


def numbers(
    request: Request,
    handle: IO[bytes],
    shape: Sequence[int],
    kind: np.dtype,
    encoding: str,
    *,
    exact: bool = False,
) -> np.ndarray:
    """Read the values of an array from where `handle` stands, the first axis running fastest.

    Args:
        request: The file that is being read, for errors and its budget.
        handle: Stands at the first byte of the (packed) values.
        shape: Sizes, fastest axis first.
        kind: Type of a value, with its byte order.
        encoding: "raw", "gzip", "zlib", "bzip2", "text" or "hex".
        exact: Refuse bytes that follow the values.

    Returns:
        Array of `shape`, native byte order.

    Raises:
        ReadError: If the values take too much, are too few, or are packed in an unknown way.
    """
    need = request.afford(shape, 8 * kind.itemsize)
    if encoding == "text":
        flat = _text(request, handle, math.prod(shape), kind)
    elif encoding == "hex":
        flat = np.frombuffer(_hex(request, handle, need), kind)
    else:
        flat = np.frombuffer(raw_bytes(request, handle, need, encoding, exact=exact), kind)
    array = flat.reshape(tuple(shape), order="F")
    return array.astype(kind.newbyteorder("="), copy=False)


def raw_bytes(
    request: Request, handle: IO[bytes], need: int, encoding: str, *, exact: bool = False
) -> bytearray:
    """`need` unpacked bytes, never taking more memory than that; `exact`: no more may follow."""
    unpack = _unpacker(request, encoding)
    out = bytearray()
    while (left := need - len(out)) > 0:
        packed = handle.read(min(PIECE, left) if encoding == "raw" else PIECE)
        if not packed:
            break
        out += unpack(packed, left)
    if len(out) < need:
        raise request.refusal(
            f"it is cut short: {len(out)} bytes of values where {need} are announced", DAMAGED
        )
    if exact:
        rest = unpack(b"", 4) + unpack(handle.read(PIECE), 4)
        if len(rest) > 2 or rest.strip(b"\r\n"):  # an editor may have ended the last line
            raise request.refusal(
                f"it holds more than the {need} bytes of values announced", DAMAGED
            )
    return out


def last_bytes(request: Request, handle: IO[bytes], need: int, encoding: str) -> bytearray:
    """The last `need` bytes of a stream, which may be packed; at most the budget is unpacked."""
    unpack = _unpacker(request, encoding)
    out, seen = bytearray(), 0
    while packed := handle.read(PIECE):
        unpacked = unpack(packed, request.max_bytes - seen + 1)
        seen += len(unpacked)
        out += unpacked
        if seen > request.max_bytes:
            raise request.refusal("it unpacks to more than may be taken", DAMAGED)
        del out[:-need]
    if len(out) < need:
        raise request.refusal(f"it is cut short: {len(out)} bytes where {need} are due", DAMAGED)
    return out


def _unpacker(request: Request, encoding: str) -> Unpack:
    """A function from a packed piece and a limit to at most that many bytes."""
    if encoding == "raw":
        return lambda piece, limit: piece[:limit]
    if encoding in ("gzip", "zlib"):
        inflate = zlib.decompressobj(wbits=47)  # either header
        return lambda piece, limit: inflate.decompress(inflate.unconsumed_tail + piece, limit)
    if encoding == "bzip2":
        unpacker = bz2.BZ2Decompressor()

        def unpack(piece: bytes, limit: int) -> bytes:
            if unpacker.eof or not (piece or not unpacker.needs_input):
                return b""
            return unpacker.decompress(piece, limit)

        return unpack
    raise request.refusal(f"its values are packed as {encoding!r}, which is not known", DAMAGED)


def _text(request: Request, handle: IO[bytes], count: int, kind: np.dtype) -> np.ndarray:
    limit = 32 * count + 2**16  # no number needs more letters
    words = handle.read(limit).replace(b",", b" ").split()
    if len(words) < count:
        raise request.refusal(
            f"it is cut short: {len(words)} numbers where {count} are announced", DAMAGED
        )
    read = int if kind.kind in "iu" else float
    return np.array([read(word) for word in words[:count]]).astype(kind)


def _hex(request: Request, handle: IO[bytes], need: int) -> bytes:
    digits = b"".join(handle.read(4 * need + 2**16).split())[: 2 * need]
    if len(digits) < 2 * need:
        raise request.refusal("it is cut short", DAMAGED)
    return bytes.fromhex(digits.decode("ascii"))
