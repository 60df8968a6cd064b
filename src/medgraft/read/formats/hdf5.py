"""HDF5: one image out of an array of many (h5py)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from medgraft.read.formats import reader
from medgraft.read.formats.numpy import channels_first
from medgraft.read.request import Request
from medgraft.read.scan import Scan

MAGIC = b"\x89HDF\r\n\x1a\n"


def is_hdf5(head: bytes, path: Path) -> bool:
    """Whether a file begins as HDF5 does and calls itself so (MINC and others build on it)."""
    return head.startswith(MAGIC) and path.suffix.lower() in (".h5", ".hdf5")


@reader("hdf5", suffixes=(".h5", ".hdf5"), sniff=is_hdf5)
def hdf5(request: Request) -> Scan:
    """Read one image of an array: ``x.h5#images/12`` is its image 12 along the first axis.

    A file with one array is one image if none is named. An image of shape (rows, columns) is
    grey, (rows, columns, 3) coloured, (i, j, k) a volume; a last or first axis of length 1
    stands for one channel. What lies in another file, to which a link leads, is not read.

    Raises:
        ReadError: If no such array or image is in it, or it holds no numbers.
    """
    import h5py

    with h5py.File(request.path, "r") as file:
        own = [key for key in file if isinstance(file.get(key, getlink=True), h5py.HardLink)]
        names = [key for key in own if isinstance(file.get(key), h5py.Dataset)]
        name, number = _asked(request, names)
        array = file[name]
        if array.dtype.kind not in "iuf" or not array.shape:
            raise request.refusal(f"{name} holds {array.dtype}, which is no images", _listed(names))
        shape = array.shape if number is None else array.shape[1:]
        if number is not None and number >= array.shape[0]:
            raise request.refusal(
                f"it holds {array.shape[0]} images, numbered from 0", "Ask for one of them."
            )
        for taken in (shape or (1,), array.chunks or (1,)):  # a chunk is unpacked as a whole
            request.afford(taken, 8 * array.dtype.itemsize)
        image = channels_first(request, np.asarray(array[... if number is None else number]))
    deep = image.dtype.kind == "u" and image.dtype.itemsize <= 2
    full = (0, np.iinfo(image.dtype).max) if deep else None
    return Scan(np.ascontiguousarray(image), source=request.name, value_range=full)


def _asked(request: Request, names: list[str]) -> tuple[str, int | None]:
    """The array that is asked for, and the image within it."""
    if request.member is None and len(names) == 1:
        return names[0], None
    name, _, number = (request.member or "").rpartition("/")
    if name in names and number.isascii() and number.isdigit():
        return name, int(number)
    if request.member in names:
        return str(request.member), None
    reason = "one image must be named" if request.member is None else "it has no such image"
    example = f"Ask for '{request.path}#{names[0] if names else 'NAME'}/0', for example."
    raise request.refusal(reason, f"{example} {_listed(names)}")


def _listed(names: list[str]) -> str:
    return f"It holds the arrays {', '.join(names[:20]) or 'none'}."
