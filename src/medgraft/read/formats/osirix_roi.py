"""Outlines that OsiriX wrote, as masks: property lists with ROIs, as in INbreast."""

from __future__ import annotations

import plistlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from medgraft.read.formats import reader
from medgraft.read.outline import filled
from medgraft.read.request import Request
from medgraft.read.scan import Scan

MOST_BYTES = 2**24  # outlines of a film take some hundred kilobytes
SIZE = re.compile(r"(\d{1,6})x(\d{1,6})")
POINT = re.compile(r"\(\s*(-?\d{1,7}(?:\.\d*)?)\s*,\s*(-?\d{1,7}(?:\.\d*)?)\s*\)")
LONE = 2  # points that are no outline: a calcification is marked by one, at times by two


def is_osirix(head: bytes, path: Path) -> bool:
    """Whether a file is an XML property list."""
    return path.suffix.lower() == ".xml" and b"<plist" in head


@reader("osirix_roi", suffixes=(), sniff=is_osirix)
def osirix_roi(request: Request) -> Scan:
    """Read the outlines of a film as a mask, ``20586908.xml#3328x2560``: 0 and 1.

    The file does not say how large its film is, so rows and columns stand behind the ``#``;
    without them the mask reaches as far as its outlines. A pixel is 1 on or inside any outline,
    and where a single point is marked.

    Raises:
        ReadError: If it is no property list of ROIs, defines entities, or a point lies outside of
            the film.
    """
    size = SIZE.fullmatch(request.member or "")
    if size is None and request.member is not None:
        raise request.refusal(
            "what follows the '#' is no size", "Name rows and columns, as in '#3328x2560'."
        )
    try:
        found = list(_outlines(request.path))
        shape = (int(size[1]), int(size[2])) if size else _reach(found)
        request.afford(shape, 8)
        mask = np.zeros(shape, dtype=np.uint8)
        for points in found:
            for outline in points[:, None] if len(points) <= LONE else [points]:
                rows, columns, inside = filled(outline, shape)
                mask[rows, columns][inside] = 1
    except (ValueError, plistlib.InvalidFileException) as error:
        raise request.refusal(str(error) or "it is no property list", "Fetch it again.") from error
    return Scan(mask[None], source=request.name, value_range=(0, 1))


def _reach(outlines: list[np.ndarray]) -> tuple[int, int]:
    """Rows and columns up to the last point."""
    if not outlines:
        raise ValueError("it outlines nothing, and so it has no size")
    columns, rows = np.concatenate(outlines).max(axis=0).tolist()
    return rows + 1, columns + 1


def _outlines(file: Path) -> Iterator[np.ndarray]:
    """Column and row of the points of each ROI, shape (N, 2), rounded to whole pixels."""
    if (size := file.stat().st_size) > MOST_BYTES:
        raise ValueError(f"outlines are at most {MOST_BYTES} bytes long, and these are {size}")
    said = plistlib.loads(file.read_bytes(), fmt=plistlib.FMT_XML)
    for image in _list(said, "Images"):
        for roi in _list(image, "ROIs"):
            texts = _list(roi, "Point_px")
            found = [POINT.fullmatch(text.strip()) for text in texts if isinstance(text, str)]
            points = [(float(point[1]), float(point[2])) for point in found if point]
            if len(points) < len(texts):
                raise ValueError("a point of an outline must be two numbers, such as '(1.5, 2.5)'")
            if points:
                yield np.rint(points).astype(np.int64)


def _list(said: Any, key: str) -> list[Any]:
    found = said.get(key) if isinstance(said, dict) else None
    if not isinstance(found, list):
        raise ValueError(f"it must be a property list with {key}, as OsiriX writes for a film")
    return found
