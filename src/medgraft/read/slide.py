"""Whole slides: pyramids of tiled pictures in one TIFF, of which a patch is read at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medgraft.read.request import Request

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage

WORDS = re.compile(r"level/(\d{1,2})/(\d{1,7}),(\d{1,7})/(\d{1,5})")
SHAPE = 0.05  # by how much of its size the shape of a level may differ: sizes are rounded
BLANK = 255  # what a tile shows that was not stored, since the glass was empty there
DAMAGED = "The file is damaged or cut short; copy or export it again."


@dataclass(frozen=True)
class Place:
    """A square patch of a slide.

    Attributes:
        level: Number of the level; 0 is the finest.
        column: Its left edge in pixels of that level.
        row: Its upper edge in pixels of that level.
        side: Its side in pixels of that level.
    """

    level: int
    column: int
    row: int
    side: int

    @classmethod
    def parse(cls, member: str) -> Place | None:
        """The patch that is named behind the ``#`` of a path; None if none is.

        Examples:
            >>> Place.parse("level/2/512,1024/256")
            Place(level=2, column=512, row=1024, side=256)
        """
        found = WORDS.fullmatch(member)
        return cls(*map(int, found.groups())) if found else None


@dataclass(frozen=True)
class Level:
    """One picture of a pyramid.

    Attributes:
        columns: Width in pixels.
        rows: Height in pixels.
        scale: Pixels of level 0 that make up one of its pixels, along each axis.
    """

    columns: int
    rows: int
    scale: float


class Slide:
    """An open slide; see `opened`."""

    def __init__(self, request: Request, file: TiffFile, pages: list[TiffPage], blank: int) -> None:
        self._request, self._file, self._pages, self._blank = request, file, pages, blank
        widest = pages[0].imagewidth
        self.levels = [Level(p.imagewidth, p.imagelength, widest / p.imagewidth) for p in pages]

    def whole(self, level: int) -> np.ndarray:
        """All of a level: shape (rows, columns, samples), uint8.

        Raises:
            ReadError: If it takes more than may be taken, or is damaged.
        """
        found = self.levels[level]
        return self.part(level, 0, 0, found.columns, found.rows)

    def part(self, level: int, column: int, row: int, columns: int, rows: int) -> np.ndarray:
        """A rectangle of a level: shape (rows, columns, samples), uint8.

        Only the tiles that it touches are unpacked; one that was not stored is blank.

        Raises:
            ReadError: If it reaches out of the level, takes more than may be taken, or a tile is
                damaged.
        """
        if not 0 <= level < len(self._pages):
            raise self._request.refusal(f"it has {len(self._pages)} levels", "Ask for one of them.")
        page, size = self._pages[level], self.levels[level]
        if column + columns > size.columns or row + rows > size.rows or min(columns, rows) < 1:
            raise self._request.refusal(
                f"the patch {columns} x {rows} at {column}, {row} reaches out of level {level} of"
                f" {size.columns} x {size.rows}",
                "Ask for a place in it.",
            )
        self._request.afford((rows, columns, page.samplesperpixel), 8)
        array = np.full((rows, columns, page.samplesperpixel), self._blank, dtype=np.uint8)
        for tile, left, upper in self._tiles(page, column, row, columns, rows):
            across = slice(max(left, column), min(left + tile.shape[1], column + columns))
            down = slice(max(upper, row), min(upper + tile.shape[0], row + rows))
            array[
                down.start - row : down.stop - row, across.start - column : across.stop - column
            ] = tile[
                down.start - upper : down.stop - upper, across.start - left : across.stop - left
            ]
        return array

    def _tiles(
        self, page: TiffPage, column: int, row: int, columns: int, rows: int
    ) -> Iterator[tuple[np.ndarray, int, int]]:
        """The stored tiles that touch a rectangle, each with its left and upper edge."""
        width = page.tilewidth if page.is_tiled else page.imagewidth
        height = page.tilelength if page.is_tiled else page.rowsperstrip
        self._request.afford((width, height, page.samplesperpixel), 8)
        across = -(-page.imagewidth // width)
        wanted = [
            at_row * across + at_column
            for at_row in range(row // height, (row + rows - 1) // height + 1)
            for at_column in range(column // width, (column + columns - 1) // width + 1)
        ]
        offsets, counts = page.dataoffsets, page.databytecounts
        if max(wanted) >= min(len(offsets), len(counts)):
            raise self._request.refusal("tiles of it are missing", DAMAGED)
        stored = [at for at in wanted if counts[at]]
        end = self._request.path.stat().st_size
        if any(offsets[at] + counts[at] > end for at in stored):
            raise self._request.refusal("a tile lies behind its end: it is cut short", DAMAGED)
        handle, decode, tables = self._file.filehandle, page.decode, page.jpegtables
        for at in stored:
            handle.seek(offsets[at])
            data, _, _ = decode(handle.read(counts[at]), at, jpegtables=tables)
            if data is not None:
                yield np.asarray(data)[0], at % across * width, at // across * height


@contextmanager
def opened(request: Request, *, blank: int = BLANK) -> Iterator[Slide]:
    """A slide to read parts of.

    Its levels are the pages that have the shape of the first one, are tiled if that is, and are
    smaller than the level before; other pages are pictures of the label or of the whole glass, such
    as the untiled one that stands second in SVS files.

    Args:
        request: The file.
        blank: What a tile that was not stored shows: white glass; 0 in a mask.

    Raises:
        ReadError: If it is no TIFF of grey or RGB with 8 bits.
    """
    from tifffile import TiffFile

    with TiffFile(request.path) as file:
        pages = [page.aspage() for page in file.pages]
        first = pages[0]
        if (
            first.dtype != np.uint8
            or int(first.photometric) not in (1, 2, 6)
            or first.planarconfig != 1
        ):
            raise request.refusal(
                f"a slide must be grey or RGB with 8 bits, and it is {first.photometric!r} of"
                f" {first.dtype}",
                "Export it as TIFF with RGB.",
            )
        levels = [first]
        for page in pages[1:]:
            shape = page.imagewidth / first.imagewidth / (page.imagelength / first.imagelength)
            if (
                _kind(page) == _kind(first)
                and abs(shape - 1) < SHAPE
                and page.imagewidth < levels[-1].imagewidth
            ):
                levels.append(page)
        yield Slide(request, file, levels, blank)


def _kind(page: TiffPage) -> tuple[object, ...]:
    return page.dtype, page.samplesperpixel, page.is_tiled
