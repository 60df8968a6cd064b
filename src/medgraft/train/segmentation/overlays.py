"""Small pictures of test images with the outlines of both masks, for the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from medgraft.errors import ReadError
from medgraft.files import replacing, write_json
from medgraft.index import Index
from medgraft.index.masks import read_mask
from medgraft.train.segmentation.judging import mean_dice
from medgraft.train.segmentation.whole import Answers, Segmented, segmented

SIDE = {2: 256, 3: 192}  # pixels of the longer side of a picture, and of a slice
EACH = {2: 4, 3: 1}  # of the worst, of those in the middle, of the best
SLICES = 40  # of a volume; more of them are thinned out
MARGIN = 2  # slices shown beyond those that hold a mask
TRUTH, ANSWER, BOTH = (86, 180, 233), (230, 159, 0), (255, 255, 255)  # sky blue, orange, white
GREYS = 125  # levels of a grey picture; with few levels it takes half the bytes


def write_overlays(folder: Path, answers: Answers, index: Index, table: pl.DataFrame) -> None:
    """Write pictures of the worst, the middle and the best images, and examples.json.

    A picture of a volume is a strip: its slices under one another, from the feet to the head
    where the file says how it lies. Truth and answer are outlined, white where both lines meet.

    Args:
        folder: Where to.
        answers: Networks and preparation.
        index: Images with masks.
        table: Of the judged images.
    """
    folder.mkdir(parents=True, exist_ok=True)
    scores = mean_dice(table)
    chosen = choose(scores, EACH[answers.dims])
    by_path = {row["path"]: row for row in index.frame.iter_rows(named=True)}
    path_of = dict(table.select("image_id", "path").iter_rows())
    rows = [by_path[path_of[name]] for name, _ in chosen]
    assert index.mask_classes is not None
    listed: list[dict[str, Any]] = []
    paths = [index.file(row["path"]) for row in rows]
    with segmented(paths, answers, images=True, here=True) as found:
        for one in found:
            if not isinstance(one, Segmented):
                continue  # it could be read a moment ago; the table has it
            row, (name, rank) = rows[one.place], chosen[one.place]
            try:
                truth = index.mask_classes.places(read_mask(index.file(row["mask_path"])).array)[0]
            except ReadError:
                continue
            file = f"{len(listed):03d}.png"
            strip = draw(one, truth)
            _save(folder / file, strip.pixels)
            kept = {key: row[key] for key in ("image_id", "path", "patient_id", "split")}
            listed.append(
                {
                    "file": file,
                    **kept,
                    "rank": rank,
                    "dice": scores[name],
                    "classes": _dice_of(table, name),
                    "slices": strip.slices,
                    "of": strip.of,
                }
            )
    write_json(folder / "examples.json", listed)


def choose(scores: dict[str, float], each: int) -> list[tuple[str, str]]:
    """The worst, the middle and the best images, each once: id, and which of the three it is.

    Examples:
        >>> choose({"a": 0.9, "b": 0.1, "c": 0.5, "d": 0.6}, 1)
        [('b', 'worst'), ('d', 'middle'), ('a', 'best')]
    """
    order = sorted(scores, key=lambda name: scores[name])
    first = max(0, (len(order) - each) // 2 + (len(order) - each) % 2)
    ranked = [(name, "worst") for name in order[:each]]
    ranked += [(name, "best") for name in reversed(order[-each:])]
    ranked += [(name, "middle") for name in order[first : first + each]]
    seen: dict[str, str] = {}
    for name, rank in ranked:
        seen.setdefault(name, rank)
    places = {"worst": 0, "middle": 1, "best": 2}
    return sorted(seen.items(), key=lambda item: places[item[1]])


def _dice_of(table: pl.DataFrame, name: str) -> dict[str, float]:
    rows = table.filter(pl.col("image_id") == name)
    return dict(zip(rows["class"], rows["dice"], strict=True))


@dataclass(frozen=True)
class Strip:
    """Slices under one another.

    Attributes:
        pixels: uint8 (slices * height, width, 3).
        slices: Number of each slice in the volume, from 0; empty for a picture.
        of: How many the volume has.
    """

    pixels: np.ndarray
    slices: list[int]
    of: int


def draw(one: Segmented, truth: np.ndarray) -> Strip:
    """An image on the grid of its file, with the outlines of truth and answer.

    Args:
        one: With its image.
        truth: Place of the class of each pixel, shape (*S).
    """
    assert one.image is not None
    stacked = np.concatenate([_three(one.image), truth[None], one.mask[None]])
    if truth.ndim == 2:
        spacing = one.spacing_mm or (1.0, 1.0)
        return Strip(_outlined(stacked, spacing, SIDE[2]), [], 1)
    slices, spacing = planes(stacked, one.affine, one.spacing_mm)
    shown = _shown(slices[:, 3:].any(axis=(1, 2, 3)))
    pictures = [_outlined(slices[place], spacing, SIDE[3]) for place in shown]
    return Strip(np.concatenate(pictures), shown, len(slices))


def _three(image: np.ndarray) -> np.ndarray:
    """Red, green and blue, 0 to 255; other numbers of channels show the first."""
    held = image if len(image) == 3 else np.repeat(image[:1], 3, axis=0)
    return np.asarray((held * 255).round().clip(0, 255))


def planes(
    array: np.ndarray, affine: np.ndarray | None, spacing_mm: Sequence[float] | None
) -> tuple[np.ndarray, tuple[float, float]]:
    """A volume as slices to look at.

    With an affine: axial slices from the feet to the head, the front of the patient above and
    the right side of the patient on the left. Without one, slices along the first axis.

    Args:
        array: Shape (C, I, J, K).
        affine: (4, 4), RAS+.
        spacing_mm: Along I, J, K.

    Returns:
        Slices (N, C, rows, columns), and the spacing of rows and columns.
    """
    spacing = tuple(spacing_mm or (1.0, 1.0, 1.0))
    axes, flips = (0, 1, 2), (False, False, False)
    if affine is not None:
        lengths = np.linalg.norm(affine[:3, :3], axis=0)
        towards = affine[:3, :3] / np.where(lengths > 0, lengths, 1)
        of_world = np.abs(towards).argmax(axis=1)  # the axis of the array along R, A and S
        if len(set(of_world.tolist())) == 3:
            right, front, head = of_world.tolist()
            axes = (head, front, right)
            flips = (towards[2, head] < 0, towards[1, front] > 0, towards[0, right] > 0)
    turned = array.transpose(axes[0] + 1, 0, axes[1] + 1, axes[2] + 1)
    for axis, flip in zip((0, 2, 3), flips, strict=True):
        turned = np.flip(turned, axis) if flip else turned
    return turned, (spacing[axes[1]], spacing[axes[2]])


def _shown(marked: Any) -> list[int]:
    """Slices that hold a mask and a few around them, thinned out evenly to `SLICES`."""
    places = np.flatnonzero(marked)
    low, high = (0, len(marked) - 1) if not len(places) else (places[0], places[-1])
    low, high = max(0, int(low) - MARGIN), min(len(marked) - 1, int(high) + MARGIN)
    count = min(SLICES, high - low + 1)
    return [int(place) for place in np.linspace(low, high, count).round()]


def _outlined(stacked: np.ndarray, spacing: Sequence[float], side: int) -> np.ndarray:
    """One picture, enlarged, with lines of one pixel: uint8 (rows, columns, 3)."""
    from PIL import Image

    lengths = [n * s for n, s in zip(stacked.shape[1:], spacing, strict=True)]
    rows, columns = (max(1, round(side * one / max(lengths))) for one in lengths)
    colours = stacked[:3].transpose(1, 2, 0).astype(np.uint8)
    image = Image.fromarray(colours).resize((columns, rows), Image.Resampling.BICUBIC)
    pixels = np.array(image)
    truth, said = (
        outline(
            np.array(
                Image.fromarray(mask.astype(np.uint8)).resize(
                    (columns, rows), Image.Resampling.NEAREST
                )
            )
        )
        for mask in stacked[3:]
    )
    pixels[truth], pixels[said], pixels[truth & said] = TRUTH, ANSWER, BOTH
    return pixels


def outline(mask: np.ndarray) -> np.ndarray:
    """Pixels of a class other than the background, next to a pixel of another class.

    Examples:
        >>> outline(np.array([[0, 1, 1, 1]])).tolist()
        [[False, True, False, False]]
    """
    edge = np.zeros(mask.shape, bool)
    for axis in (0, 1):
        front = tuple(slice(None, -1) if a == axis else slice(None) for a in (0, 1))
        back = tuple(slice(1, None) if a == axis else slice(None) for a in (0, 1))
        differ = mask[front] != mask[back]
        edge[front] |= differ
        edge[back] |= differ
    return edge & (mask > 0)


def _save(path: Path, pixels: np.ndarray) -> None:
    """Write a PNG: grey pictures in few levels beside the three colours of the lines."""
    from PIL import Image

    lines = [TRUTH, ANSWER, BOTH]
    marked = np.zeros(pixels.shape[:2], np.uint8)
    for number, colour in enumerate(lines, start=1):
        marked[(pixels == colour).all(axis=-1)] = number
    plain = pixels[marked == 0]
    if (plain[:, :1] == plain).all():
        levels = (pixels[..., 0].astype(np.uint16) * (GREYS - 1) // 255).astype(np.uint8)
        image = Image.fromarray(np.where(marked > 0, GREYS - 1 + marked, levels).astype(np.uint8))
        image = image.convert("P") if image.mode != "L" else image
        greys = [round(level * 255 / (GREYS - 1)) for level in range(GREYS) for _ in range(3)]
        image.putpalette(greys + [value for colour in lines for value in colour])
    else:
        image = Image.fromarray(pixels)
    with replacing(path) as temporary:
        image.save(temporary, format="PNG", optimize=True)
