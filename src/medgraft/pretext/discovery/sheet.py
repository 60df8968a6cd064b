"""A contact sheet of patterns: a row each, the reference scan and the crops of its neighbours."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medgraft.files import replacing
from medgraft.pretext.discovery.crops import resized
from medgraft.train.batches import Images

if TYPE_CHECKING:
    from PIL.Image import Image

CELL, GAP, LABEL = 96, 4, 34  # pixels
COLUMNS = 9
FRAME = (255, 176, 0)


def chosen_ranks(count: int, columns: int) -> list[int]:
    """Ranks to show: the nearest, and the rest evenly out to the farthest.

    Examples:
        >>> chosen_ranks(200, 6), chosen_ranks(3, 6)
        ([0, 1, 2, 68, 133, 199], [0, 1, 2])
    """
    if count <= columns:
        return list(range(count))
    return [0, 1, *np.rint(np.linspace(2, count - 1, columns - 2)).astype(int).tolist()]


def strip(store: Images, rows: np.ndarray, start: tuple[int, ...], crop: tuple[int, ...]) -> Image:
    """One row of the sheet: the first scan with its box, then the crop of every scan.

    Of volumes, the plane through the middle of the box across the last axis is shown, its first axis to
    the right and its second upwards, as neuroimaging viewers show a NIfTI file in RAS.

    Args:
        store: Where the scans lie.
        rows: Of the store, in the order of the columns.
        start: First pixel of the crops.
        crop: Their sides.
    """
    from PIL import Image as Images_
    from PIL import ImageDraw

    planes = [_plane(store.gather(rows[[n]])[0], start, crop) for n in range(len(rows))]
    cells = [_picture(planes[0], store.scale)]
    factor = CELL / max(planes[0].shape[1:])
    left, upper, right, lower = (round(factor * n) for n in _corners(planes[0], start, crop))
    cells[0] = cells[0].convert("RGB")
    ImageDraw.Draw(cells[0]).rectangle((left, upper, right - 1, lower - 1), outline=FRAME, width=2)
    for plane in planes:
        x, y, x2, y2 = _corners(plane, start, crop)
        cells.append(_picture(plane[:, y:y2, x:x2], store.scale))
    canvas = Images_.new("RGB", (len(cells) * (CELL + GAP) - GAP, CELL), (255, 255, 255))
    for column, cell in enumerate(cells):
        canvas.paste(cell.convert("RGB"), (column * (CELL + GAP), (CELL - cell.height) // 2))
    return canvas


def write_sheet(strips: list[Image], names: list[str], path: Path) -> None:
    """All strips under each other, named at the left, as one PNG.

    Raises:
        OutputError: If the file cannot be written.
    """
    from PIL import Image as Images_
    from PIL import ImageDraw, ImageFont

    width = LABEL + max(one.width for one in strips) + GAP
    sheet = Images_.new("RGB", (width, GAP + len(strips) * (CELL + GAP)), (255, 255, 255))
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(16)
    for row, (one, name) in enumerate(zip(strips, names, strict=True)):
        top = GAP + row * (CELL + GAP)
        pen.text((LABEL - 6, top + CELL / 2), name, fill=(0, 0, 0), font=font, anchor="rm")
        sheet.paste(one, (LABEL, top))
    with replacing(path) as temporary:
        sheet.save(temporary, format="PNG")


def _plane(scan: np.ndarray, start: tuple[int, ...], crop: tuple[int, ...]) -> np.ndarray:
    """A picture (C, rows, columns) of a scan (C, *S)."""
    if scan.ndim == 3:
        return scan
    across = scan[..., start[2] + crop[2] // 2]
    return np.asarray(across.swapaxes(1, 2)[:, ::-1])


def _corners(
    plane: np.ndarray, start: tuple[int, ...], crop: tuple[int, ...]
) -> tuple[int, int, int, int]:
    """Left, upper, right, lower of the box in the picture."""
    if len(start) == 2:
        return start[1], start[0], start[1] + crop[1], start[0] + crop[0]
    height = plane.shape[1]
    return start[0], height - start[1] - crop[1], start[0] + crop[0], height - start[1]


def _picture(plane: np.ndarray, scale: int) -> Image:
    from PIL import Image as Images_

    factor = CELL / max(plane.shape[1:])
    sides = tuple(max(1, round(n * factor)) for n in plane.shape[1:])
    values = (resized(plane, sides).astype(np.float32) * (255 / scale)).round().astype(np.uint8)
    return Images_.fromarray(values[0] if len(values) != 3 else values.transpose(1, 2, 0))
