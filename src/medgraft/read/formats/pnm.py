"""PBM, PGM and PPM, in text or binary; Pillow would stretch 12 bits to 16.

The definition is https://netpbm.sourceforge.net/doc/.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from medgraft.read import packed
from medgraft.read.formats import reader
from medgraft.read.request import Request
from medgraft.read.scan import Scan

GAP = rb"(?:\s|#[^\n\r]*[\n\r])+"
SIZES = re.compile(rb"P([1-6])" + GAP + rb"(\d{1,9})" + GAP + rb"(\d{1,9})")
GREATEST = re.compile(GAP + rb"(\d{1,9})")
BITS, TEXT, COLOUR = (1, 4), (1, 2, 3), (3, 6)


@dataclass(frozen=True)
class Header:
    """What stands before the values.

    Attributes:
        number: The digit of the magic number, 1 to 6.
        rows: Height.
        columns: Width.
        high: Greatest value.
        end: Where the values begin.
    """

    number: int
    rows: int
    columns: int
    high: int
    end: int


def is_pnm(head: bytes, path: Path) -> bool:  # noqa: ARG001 (the signature of a sniff)
    """Whether a file begins with the number and the sizes of a netpbm picture."""
    return SIZES.match(head) is not None


@reader("pnm", suffixes=(".pgm", ".ppm", ".pbm", ".pnm"), sniff=is_pnm)
def pnm(request: Request) -> Scan:
    """Read a netpbm picture: (1, rows, columns) or (3, rows, columns).

    Values are those of the file, their range from 0 to the greatest that the file declares. In a
    bitmap 1 is black in the file and 0 here, so that higher is brighter.

    Raises:
        ReadError: If it is damaged, cut short or too large.
    """
    if request.member is not None:
        raise request.refusal("a picture has no members", "Leave out what follows the '#'.")
    with request.path.open("rb") as handle:
        header = _header(request, handle.read(4096))
        handle.seek(header.end)
        if header.number in BITS:
            array = _bitmap(request, handle, header)
        else:
            array = _pixels(request, handle, header)
    if array.max() > header.high:
        raise request.refusal(
            f"a value is {array.max()}, above its greatest {header.high}", packed.DAMAGED
        )
    return Scan(np.ascontiguousarray(array), source=request.name, value_range=(0, header.high))


def _header(request: Request, head: bytes) -> Header:
    sizes = SIZES.match(head)
    if sizes is None:
        raise request.refusal("its header is incomplete", packed.DAMAGED)
    number, columns, rows = (int(word) for word in sizes.groups())
    greatest = None if number in BITS else GREATEST.match(head, sizes.end())
    if greatest is None and number not in BITS:
        raise request.refusal("its header gives no greatest value", packed.DAMAGED)
    high, end = (int(greatest[1]), greatest.end()) if greatest else (1, sizes.end())
    if not 0 < high < 65536:
        raise request.refusal(f"its greatest value is {high}, not 1 to 65535", packed.DAMAGED)
    return Header(number, rows, columns, high, end + (number not in TEXT))


def _pixels(request: Request, handle: IO[bytes], header: Header) -> np.ndarray:
    kind = np.dtype(">u1" if header.high < 256 else ">u2")
    shape = (3 if header.number in COLOUR else 1, header.columns, header.rows)
    encoding = "text" if header.number in TEXT else "raw"
    return packed.numbers(request, handle, shape, kind, encoding).transpose(0, 2, 1)


def _bitmap(request: Request, handle: IO[bytes], header: Header) -> np.ndarray:
    """A bitmap has 1 for black; turned over, 1 is white."""
    need = request.afford((header.rows, header.columns), 8)
    if header.number == 1:
        digits = b"".join(handle.read(8 * need + 2**16).split())[:need]
        bits = np.frombuffer(digits, np.uint8) - ord("0")
    else:
        width = (header.columns + 7) // 8
        raw = packed.raw_bytes(request, handle, header.rows * width, "raw")
        rows = np.frombuffer(raw, np.uint8).reshape(header.rows, width)
        bits = np.unpackbits(rows, axis=1, count=header.columns).reshape(-1)
    if bits.size < need or (bits > 1).any():
        raise request.refusal("its bits are cut short or none", packed.DAMAGED)
    return (1 - bits).reshape(1, header.rows, header.columns)
