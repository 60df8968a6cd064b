"""Outlines as run-lengths in a table: the masks of the SIIM-ACR pneumothorax set."""

from __future__ import annotations

import codecs
import csv
import functools
from pathlib import Path

import numpy as np

from medgraft.read.formats import reader
from medgraft.read.request import Request
from medgraft.read.scan import Scan

SIDE = 1024  # rows and columns of every film of the set
NOTHING = "-1"  # an image without an outline
LONGEST = 2**24  # characters in one field


def is_run_lengths(head: bytes, path: Path) -> bool:
    """Whether a file is a table of image and run-lengths."""
    line = head.removeprefix(codecs.BOM_UTF8).partition(b"\n")[0]  # Excel writes such a mark
    names = [name.strip() for name in line.split(b",")]
    return path.suffix.lower() == ".csv" and names == [b"ImageId", b"EncodedPixels"]


@reader("run_lengths", suffixes=(), sniff=is_run_lengths)
def run_lengths(request: Request) -> Scan:
    """Read the mask of one image, ``table.csv#ImageId``: (1, 1024, 1024), 0 and 1.

    Numbers come in pairs: how many pixels to leave out since the last run, and how many are in
    it, down the columns from the upper left. All rows of an image are one mask. A table with a
    single image needs no name.

    Raises:
        ReadError: If the image is not in the table, or its runs are no pairs of numbers or lead
            out of the image.
    """
    status = request.path.stat()
    request.afford_file()
    runs = _table(request.path, status.st_mtime_ns, status.st_size)
    name = next(iter(runs)) if request.member is None and len(runs) == 1 else request.member
    if name not in runs:
        raise request.refusal(
            f"it has no image {name!r}", "Name one of it behind a '#', as its first column does."
        )
    request.afford((SIDE, SIDE), 8)
    mask = np.zeros(SIDE * SIDE, dtype=np.uint8)
    for text in runs[name]:
        if text != NOTHING:
            _draw(request, text, mask)
    return Scan(mask.reshape(SIDE, SIDE).T[None], source=request.name, value_range=(0, 1))


@functools.lru_cache(maxsize=1)
def _table(path: Path, changed: int, size: int) -> dict[str, list[str]]:  # noqa: ARG001 (keys)
    """The run-lengths of each image."""
    csv.field_size_limit(LONGEST)
    found: dict[str, list[str]] = {}
    with path.open(newline="", encoding="utf-8-sig") as handle:
        rows = csv.reader(handle)
        next(rows, None)
        for row in rows:
            name, runs = row  # a row that is cut short is an error of the file
            found.setdefault(name.strip(), []).append(runs.strip())
    return found


def _draw(request: Request, text: str, mask: np.ndarray) -> None:
    """Set the pixels of some runs to 1."""
    words = text.split()
    if not words or len(words) % 2 or not all(w.isascii() and w.isdigit() for w in words):
        raise request.refusal(
            f"its run-lengths must be pairs of whole numbers, got {text[:30]!r}",
            "Fetch the table again.",
        )
    pairs = np.array([int(word[:10]) for word in words], dtype=np.int64).reshape(-1, 2)
    ends = np.cumsum(pairs.sum(axis=1))
    if ends[-1] > mask.size:
        raise request.refusal(
            f"its runs end at pixel {ends[-1]}, and an image has {mask.size}",
            "Fetch the table again.",
        )
    for end, length in zip(ends.tolist(), pairs[:, 1].tolist(), strict=True):
        mask[end - length : end] = 1
