"""Find the format of a file and read it."""

from __future__ import annotations

import os
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from medgraft.read.careful import carefully
from medgraft.read.formats import Reader, readers
from medgraft.read.request import Request
from medgraft.read.scan import Scan
from medgraft.read.tags import Identity, Personal

HEAD_BYTES = 1024


def read(path: str | os.PathLike[str], *, window: bool = False, max_bytes: int = 2**30) -> Scan:
    """Read one image or volume, whatever its format.

    The content decides on the format; the suffix is asked only where the content is silent.
    Nothing is repaired: a file that is cut short, or that contradicts itself, is an error.

    Args:
        path: A file; a folder, which is one DICOM series and becomes one volume; or a file and
            ``#`` with the name of an array in it and an index, such as ``x.npz#images/12``.
        window: Apply the file's own VOI lookup table or window (DICOM only). The values are
            then those meant for display, not HU.
        max_bytes: The most bytes of decoded pixels; the header is asked before memory is taken.

    Returns:
        The image, its values as the file holds them. See `Scan` for axes, units and range.

    Raises:
        ReadError: If there is no such file, or it cannot be read as an image; with the path,
            the reason and what to do.
    """
    return carefully(_request(path, window=window, max_bytes=max_bytes), _read)


def identity(path: str | os.PathLike[str]) -> Identity:
    """What the tags of an image say about it, without decoding its pixels.

    Args:
        path: As for `read`; of a folder, the first file of the series answers.

    Returns:
        The tags; all None for formats that have none.

    Raises:
        ReadError: If there is no such file, or no reader knows it.
    """
    return carefully(_request(path), _identify)


def personal(path: str | os.PathLike[str]) -> Personal:
    """Which tags of an image may tell whose it is; never what they say.

    Args:
        path: As for `read`; of a folder, the tags of all slices.

    Returns:
        The tags; none for formats that have none.

    Raises:
        ReadError: If there is no such file, or no reader knows it.
    """
    return carefully(_request(path), _personal)


def _request(
    path: str | os.PathLike[str], *, window: bool = False, max_bytes: int = 2**30
) -> Request:
    """Split ``file#member``, unless a file really has that name."""
    text = os.fspath(path)
    found = Path(text)
    cut = len(text)
    while (cut := text.rfind("#", 0, cut)) > 0:
        if os.path.lexists(text):
            break
        if os.path.isfile(text[:cut]):
            return Request(Path(text[:cut]), text[cut + 1 :], window, max_bytes)
    return Request(found, None, window, max_bytes)


def _read(request: Request) -> Scan:
    scan = _reader(request).read(request)
    order = scan.array.dtype.newbyteorder("=")
    return replace(scan, array=np.require(scan.array, order, ("C", "W")))


def _identify(request: Request) -> Identity:
    found = _reader(request)
    return found.identity(request) if found.identity else Identity()


def _personal(request: Request) -> Personal:
    found = _reader(request)
    return found.personal(request) if found.personal else Personal()


def _reader(request: Request) -> Reader:
    """The reader for a file: by content first, by suffix second."""
    head = _head(request)
    family = [readers.get(name) for name in readers.names()]
    for candidate in family:
        if candidate.sniff(head, request.path):
            return candidate
    name = request.path.name.lower()
    for candidate in family:
        if name.endswith(candidate.suffixes):
            return candidate
    known = sorted({candidate.suffixes[0] for candidate in family if candidate.suffixes})
    raise request.refusal(
        f"its content is of no known format (it begins with {head[:8]!r})",
        f"Known are {', '.join(known)} and the like, and folders of DICOM slices.",
    )


def _head(request: Request) -> bytes:
    """The first bytes of a file, unpacked if it is gzipped; none for a folder."""
    if request.path.is_dir():
        return b""
    if request.path.exists() and not request.path.is_file():
        raise request.refusal("it is not a regular file", "Give an image file.")
    with request.path.open("rb") as handle:
        head = handle.read(HEAD_BYTES)
    if not head:
        raise request.refusal("it is empty (0 bytes)", "Copy or export it again.")
    if head[:2] == b"\x1f\x8b":
        try:
            return zlib.decompressobj(wbits=31).decompress(head, HEAD_BYTES)
        except zlib.error:
            return head
    return head
