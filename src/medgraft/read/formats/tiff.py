"""TIFF and BigTIFF (tifffile; imagecodecs unpacks)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medgraft.read.formats import reader
from medgraft.read.request import Request
from medgraft.read.scan import Scan
from medgraft.read.slide import Place, opened

if TYPE_CHECKING:
    from tifffile import TiffPage

BEGINNINGS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
WHITE_IS_ZERO, PALETTE, YBR = 0, 3, 6  # TIFF 6.0, tag PhotometricInterpretation
GREY_OR_RGB = (0, 1, 2, 3, 6)
MOST_PAGES = 2**16
DAMAGED = "The file is damaged or cut short; copy or export it again."


def is_tiff(head: bytes, path: Path) -> bool:  # noqa: ARG001 (the signature of a sniff)
    """Whether a file begins as TIFF does, and is not DICOM under a TIFF preamble."""
    return head.startswith(BEGINNINGS) and head[128:132] != b"DICM"


@reader("tiff", suffixes=(".tif", ".tiff"), sniff=is_tiff)
def tiff(request: Request) -> Scan:
    """Read a TIFF: (C, rows, columns), or (C, pages, rows, columns) if it has several alike.

    The bits are kept (12 stay 12, as uint16). Palettes become RGB; where white is zero the
    values are turned over; transparent pixels are laid on black. ``slide.tif#level/2/512,1024/256``
    is a patch of a whole slide: 256 x 256 pixels of its level 2 (0 is the finest), whose left and
    upper edge are at column 512 and row 1024 of that level. Of a slide only such patches are read.

    Raises:
        ReadError: If it is damaged or cut short, or its pages differ in size or kind.
    """
    from tifffile import TiffFile

    if request.member is not None:
        return _patch(request, Place.parse(request.member))
    with TiffFile(request.path) as file:
        _check_chain(request, big=file.is_bigtiff, order=file.byteorder)
        pages = [page.aspage() for page in file.pages]
        first = pages[0]
        shape = _shape(request, first, len(pages))
        if any(_kind(page) != _kind(first) for page in pages):
            raise request.refusal(
                f"its {len(pages)} pages differ in size or kind", "Save each page as a file."
            )
        _check_segments(request, pages)
        bits = 8 * np.dtype(first.dtype).itemsize
        request.afford(shape, bits * (3 if first.photometric == PALETTE else 1))
        stack = np.stack([_page(request, page) for page in pages])
    array, value_range = _meaning(first, stack)
    array = np.moveaxis(array, -1, 0)
    array = array[:, 0] if array.shape[1] == 1 else array
    return Scan(np.ascontiguousarray(array), source=request.name, value_range=value_range)


def _patch(request: Request, place: Place | None) -> Scan:
    """A patch of a slide."""
    if place is None:
        raise request.refusal(
            "it has no such member",
            "Leave out what follows the '#', or ask for a patch of a slide.",
        )
    with opened(request) as slide:
        array = slide.part(place.level, place.column, place.row, place.side, place.side)
    pixels = np.ascontiguousarray(np.moveaxis(array, -1, 0))
    return Scan(pixels, source=request.name, value_range=(0, 255))


def _check_chain(request: Request, *, big: bool, order: str) -> None:
    """Follow the chain of pages: where it breaks, tifffile would quietly return fewer."""
    size = request.path.stat().st_size
    at_first, width, entries, entry = (8, 8, 8, 20) if big else (4, 4, 2, 12)
    seen: set[int] = set()
    with request.path.open("rb") as handle:

        def number(at: int, count: int) -> int:
            handle.seek(at)
            raw = handle.read(count)
            if len(raw) < count:
                raise request.refusal("its chain of pages is cut short", DAMAGED)
            return int.from_bytes(raw, "little" if order == "<" else "big")

        page = number(at_first, width)
        while page:
            if page in seen or len(seen) > MOST_PAGES or page > size:
                raise request.refusal("its chain of pages leads nowhere: it is damaged", DAMAGED)
            seen.add(page)
            page = number(page + entries + number(page, entries) * entry, width)


def _kind(page: TiffPage) -> tuple[Any, ...]:
    return page.shape, page.dtype, page.photometric, page.samplesperpixel


def _shape(request: Request, page: TiffPage, pages: int) -> tuple[int, ...]:
    if page.dtype is None or int(page.photometric) not in GREY_OR_RGB or page.imagedepth != 1:
        raise request.refusal(
            f"its pixels are of a kind that is not known ({page.photometric!r}, {page.dtype})",
            "Save it as grey or RGB.",
        )
    if page.bitspersample not in (1, 2, 4, 8, 10, 12, 14, 16, 32, 64):
        raise request.refusal(f"it has {page.bitspersample} bits per sample", DAMAGED)
    shape = (pages, int(page.imagelength), int(page.imagewidth), int(page.samplesperpixel))
    request.afford(shape, 8 * np.dtype(page.dtype).itemsize)
    return shape


def _check_segments(request: Request, pages: list[TiffPage]) -> None:
    """Every strip or tile that the pages name must lie within the file."""
    size = request.path.stat().st_size
    for number, page in enumerate(pages, start=1):
        ends = [
            at + count for at, count in zip(page.dataoffsets, page.databytecounts, strict=False)
        ]
        if not ends or max(ends) > size:
            raise request.refusal(f"page {number} points behind its end: it is cut short", DAMAGED)
        tile = (page.tilelength or 1) * (page.tilewidth or 1) if page.is_tiled else 1
        request.afford((tile, page.samplesperpixel), 8 * np.dtype(page.dtype).itemsize)


def _page(request: Request, page: TiffPage) -> np.ndarray:
    """One page, shape (rows, columns, samples)."""
    array: np.ndarray = page.asarray()
    if page.samplesperpixel > 1 and page.planarconfig == 2:
        array = np.moveaxis(array, 0, -1)
    array = array[..., None] if array.ndim == 2 else array
    expected = (page.imagelength, page.imagewidth, page.samplesperpixel)
    if array.shape != expected:
        raise request.refusal(f"a page has shape {array.shape}, announced was {expected}", DAMAGED)
    return array


def _meaning(page: TiffPage, array: np.ndarray) -> tuple[np.ndarray, tuple[float, float] | None]:
    """Grey or RGB, higher being brighter, and the greatest value that the file can hold."""
    whole = array.dtype.kind in "ub"
    array = array.astype(np.uint8) if array.dtype.kind == "b" else array
    high = 2**page.bitspersample - 1
    if page.photometric == PALETTE and page.colormap is not None:
        return np.moveaxis(page.colormap[:, array[..., 0]], 0, -1), (0, 65535)
    colours = 3 if int(page.photometric) in (2, YBR) else 1
    if array.shape[-1] > colours:
        array = _on_black(page, array, colours, high if whole else 1)
    if page.photometric == WHITE_IS_ZERO:
        array = (high - array).astype(array.dtype) if whole else -array
    return array, (0, high) if whole and page.bitspersample <= 16 else None


def _on_black(page: TiffPage, array: np.ndarray, colours: int, high: float) -> np.ndarray:
    """Lay transparent pixels on black; extra samples that are no cover are left out."""
    extra = [int(sample) for sample in page.extrasamples or ()]
    pixels = array[..., :colours]
    if extra and extra[0] == 2:  # unassociated alpha: colours do not know of it yet
        cover = array[..., colours : colours + 1] / high
        scaled = pixels * cover
        return np.rint(scaled).astype(array.dtype) if array.dtype.kind == "u" else scaled
    return pixels
