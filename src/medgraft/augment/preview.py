"""A contact sheet: what augmentations make of real images."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from medgraft.augment.augmenter import Augmenter
from medgraft.files import replacing
from medgraft.seeds import derive

Picture = npt.NDArray[np.float32]
CELL_INCHES = 2.2
LINE_INCHES = 0.14  # of a caption


@dataclass(frozen=True)
class Cell:
    """One picture of a sheet.

    Attributes:
        picture: Values in [0, 1], shape (rows, columns) or (rows, columns, 3).
        caption: What was drawn.
    """

    picture: Picture
    caption: str


def contact_sheet(
    images: Sequence[Tensor], names: Sequence[str], augmenter: Augmenter, *, draws: int, seed: int
) -> list[list[Cell]]:
    """A row per image: the image itself, then `draws` augmented versions of it.

    Images of one shape are augmented as one batch, so that mixing finds partners.

    Args:
        images: Floats in [0, 1], each of shape (C, *S).
        names: Caption of each original.
        augmenter: What to show.
        draws: Columns beside the original.
        seed: Of the draws.
    """
    sheet = [[Cell(flat(image), name)] for image, name in zip(images, names, strict=True)]
    for column in range(draws):
        for shape in sorted({tuple(image.shape) for image in images}):
            rows = [row for row, image in enumerate(images) if tuple(image.shape) == shape]
            batch = torch.stack([images[row] for row in rows])
            draw = augmenter.draw(
                len(rows), shape[1:], derive(seed, "preview", column), samples=rows
            )
            for place, (row, result) in enumerate(
                zip(rows, augmenter.apply(batch, draw), strict=True)
            ):
                sheet[row].append(Cell(flat(result), draw.caption(place)))
    return sheet


def flat(image: Tensor) -> Picture:
    """A picture of an image (C, *S): of a volume, its three middle slices side by side.

    Three channels are shown as colours; of any other number, the first is shown as grey.
    """
    values = image.float().cpu().numpy()
    values = values if values.shape[0] == 3 else values[:1]
    if values.ndim == 3:
        return _last_channel(values)
    slices = [_last_channel(values.take(values.shape[axis] // 2, axis=axis)) for axis in (1, 2, 3)]
    height = max(part.shape[0] for part in slices)
    width = sum(part.shape[1] for part in slices) + len(slices) - 1
    canvas = np.ones((height, width, *slices[0].shape[2:]), dtype=np.float32)
    left = 0
    for part in slices:
        canvas[: part.shape[0], left : left + part.shape[1]] = part
        left += part.shape[1] + 1
    return canvas


def _last_channel(values: Picture) -> Picture:
    return values[0] if values.shape[0] == 1 else np.moveaxis(values, 0, -1)


def save_sheet(sheet: Sequence[Sequence[Cell]], path: str | Path) -> None:
    """Draw a sheet into an image file; the suffix decides on its format (png, jpg, pdf, svg).

    Raises:
        OutputError: If the file cannot be written.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    width = CELL_INCHES * np.clip(sheet[0][0].picture.shape[1] / sheet[0][0].picture.shape[0], 1, 3)
    captions = [[textwrap.fill(cell.caption, int(width * 17)) for cell in row] for row in sheet]
    lines = [max(caption.count("\n") + 1 for caption in row) for row in captions]
    heights = [CELL_INCHES + LINE_INCHES * (count + 0.5) for count in lines]
    figure = Figure((width * len(sheet[0]), sum(heights)), layout="constrained")
    axes = figure.subplots(len(sheet), len(sheet[0]), squeeze=False, height_ratios=heights)
    for row, cells, words in zip(axes, sheet, captions, strict=True):
        for axis, cell, caption in zip(row, cells, words, strict=True):
            axis.imshow(cell.picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            axis.set_title(caption, fontsize=7)
            axis.set_anchor("S")  # what is left over goes to the caption
            axis.set_axis_off()
    kind = Path(path).suffix.lstrip(".").lower() or "png"
    with replacing(path) as temporary, mpl.rc_context({"svg.hashsalt": "medgraft"}):
        figure.savefig(temporary, format=kind, dpi=110)
