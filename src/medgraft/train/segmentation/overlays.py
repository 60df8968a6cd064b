"""Pictures of test images and, apart from them, the outlines of both masks, for the report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from medgraft.errors import ArgumentError, ReadError
from medgraft.files import replacing, write_json
from medgraft.index import Index
from medgraft.index.masks import read_mask
from medgraft.train.segmentation.judging import mean_dice
from medgraft.train.segmentation.planes import Plane, planes_of
from medgraft.train.segmentation.whole import Answers, Segmented, segmented

SIDE = {2: 256, 3: 192}  # pixels of the longer side of a picture, and of a slice
SHOWN = {2: (4, 4, 4), 3: (3, 1, 1)}  # of the worst, of those in the middle, of the best
SLICES = 32  # of a volume in each plane; more of them are thinned out
MARGIN = 2  # slices shown beyond those that hold a mask
TRUTH, ANSWER = (86, 180, 233), (230, 159, 0)  # sky blue, orange
QUALITY = 90  # of JPEG: the lines, which it would blur, are files of their own


def write_overlays(folder: Path, answers: Answers, index: Index, table: pl.DataFrame) -> None:
    """Write pictures of the worst, the middle and the best images, and examples.json.

    A volume is shown in three planes, each a strip of slices under one another. The outlines of
    truth and answer are files of their own, transparent elsewhere, to be laid over it.

    Args:
        folder: Where to.
        answers: Networks and preparation.
        index: Images with masks.
        table: Of the judged images.
    """
    folder.mkdir(parents=True, exist_ok=True)
    scores = mean_dice(table)
    chosen = choose(scores, *SHOWN[answers.dims])
    by_path = {row["path"]: row for row in index.frame.iter_rows(named=True)}
    path_of = dict(table.select("image_id", "path").iter_rows())
    rows = [by_path[path_of[name]] for name, _ in chosen]
    assert index.mask_classes is not None
    listed: dict[int, dict[str, Any]] = {}
    paths = [index.file(row["path"]) for row in rows]
    with segmented(paths, answers, images=True, here=True) as found:
        for one in found:
            if not isinstance(one, Segmented):
                continue  # it could be read a moment ago; the table has it
            row, (name, rank) = rows[one.place], chosen[one.place]
            try:
                truth = index.mask_classes.places(read_mask(index.file(row["mask_path"])).array)[0]
            except (ReadError, ArgumentError):
                continue
            views = [_write(folder, one.place, strip) for strip in draw(one, truth)]
            kept = {key: row[key] for key in ("image_id", "path", "patient_id", "split")}
            more = {"rank": rank, "dice": scores[name], "classes": _dice_of(table, name)}
            listed[one.place] = {**kept, **more, "views": views}
    write_json(folder / "examples.json", [listed[place] for place in sorted(listed)])


def choose(scores: dict[str, float], worst: int, middle: int, best: int) -> list[tuple[str, str]]:
    """The worst, the middle and the best images, each once: id, and which of the three it is.

    Of few images each kind has its turn.

    Examples:
        >>> choose({"a": 0.9, "b": 0.1, "c": 0.5, "d": 0.6}, 1, 1, 1)
        [('b', 'worst'), ('d', 'middle'), ('a', 'best')]
    """
    order = sorted(scores, key=lambda name: scores[name])
    limit = {"worst": worst, "best": best, "middle": middle}
    counts = dict.fromkeys(limit, 0)
    for rank in tuple(limit) * max(limit.values()):
        if counts[rank] < limit[rank] and sum(counts.values()) < len(order):
            counts[rank] += 1
    low, high = counts["worst"], len(order) - counts["best"]
    first = low + (high - low - counts["middle"] + 1) // 2
    return [
        *((name, "worst") for name in order[:low]),
        *((name, "middle") for name in order[first : first + counts["middle"]]),
        *((name, "best") for name in order[high:]),
    ]


def _dice_of(table: pl.DataFrame, name: str) -> dict[str, float]:
    rows = table.filter(pl.col("image_id") == name)
    return dict(zip(rows["class"], rows["dice"], strict=True))


@dataclass(frozen=True)
class Strip:
    """A picture, or the slices of a volume in one plane under one another.

    Attributes:
        plane: "picture", or of `planes.Plane`.
        pixels: uint8 (slices * height, width), or with 3 colours behind.
        truth: bool (slices * height, width): its outline.
        answer: Likewise.
        slices: Number of each slice in the volume, from 0, evenly apart; empty for a picture.
        of: How many the volume has.
        apart_mm: From one shown slice to the next; None where the file does not say.
        differ: Pixels in which the masks differ, of each slice, or of the picture.
        sides: Letters above, right, below and left; None where nobody knows.
    """

    plane: str
    pixels: np.ndarray
    truth: np.ndarray
    answer: np.ndarray
    slices: list[int]
    of: int
    apart_mm: float | None
    differ: list[int]
    sides: tuple[str, ...] | None


def draw(one: Segmented, truth: np.ndarray) -> Iterator[Strip]:
    """An image on the grid of its file, and the outlines of truth and answer.

    Args:
        one: With its image.
        truth: Place of the class of each pixel, shape (*S).
    """
    assert one.image is not None
    image = np.moveaxis(one.image if len(one.image) == 3 else one.image[:1], 0, -1)
    if truth.ndim == 2:
        spacing = one.spacing_mm or (1.0, 1.0)
        lengths = (truth.shape[0] * spacing[0], truth.shape[1] * spacing[1])
        layers = _layers([(image, truth, one.mask)], lengths, SIDE[2])
        yield Strip("picture", *layers, [], 1, None, [int((truth != one.mask).sum())], None)
        return
    for plane in planes_of(one.affine):
        yield _strip(plane, image, truth, one)


def _strip(plane: Plane, image: np.ndarray, truth: np.ndarray, one: Segmented) -> Strip:
    pictures, true, said = (plane.slices(array) for array in (image, truth, one.mask))
    shown = shown_slices(np.any((true > 0) | (said > 0), axis=(1, 2)))
    lengths = plane.lengths_mm(truth.shape, one.spacing_mm)
    layers = _layers([(pictures[k], true[k], said[k]) for k in shown], lengths, SIDE[3])
    differ = [int((true[k] != said[k]).sum()) for k in shown]
    apart = None
    if one.spacing_mm is not None:
        apart = round(one.spacing_mm[plane.axes[0]] * (shown[1] - shown[0] if shown[1:] else 1), 4)
    return Strip(plane.name, *layers, shown, len(true), apart, differ, plane.sides)


def shown_slices(marked: np.ndarray) -> list[int]:
    """Slices that hold a mask and a few around them, evenly apart and at most `SLICES`.

    Examples:
        >>> shown_slices(np.arange(90) >= 30)[:3], len(shown_slices(np.arange(90) >= 30))
        ([28, 30, 32], 31)
    """
    places = np.flatnonzero(marked)
    low, high = (0, len(marked) - 1) if not len(places) else (places[0], places[-1])
    low, high = max(0, int(low) - MARGIN), min(len(marked) - 1, int(high) + MARGIN)
    return list(range(low, high + 1, -(-(high - low + 1) // SLICES)))


def _layers(
    slices: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
    lengths: tuple[float, float],
    side: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels and both outlines of slices under one another, in proportion to their lengths."""
    rows, columns = (max(1, round(side * length / max(lengths))) for length in lengths)
    parts = [
        (_enlarged(image, rows, columns), *(_outline(mask, rows, columns) for mask in masks))
        for image, *masks in slices
    ]
    pixels, truth, answer = (np.concatenate(layer) for layer in zip(*parts, strict=True))
    return pixels, truth, answer


def _enlarged(image: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Values in [0, 1], shape (*S, 1 or 3), as a picture of that size, uint8."""
    from PIL import Image

    values = (image * 255).round().clip(0, 255).astype(np.uint8)
    picture = Image.fromarray(values[..., 0] if values.shape[-1] == 1 else values)
    return np.array(picture.resize((columns, rows), Image.Resampling.BICUBIC))


def _outline(mask: np.ndarray, rows: int, columns: int) -> np.ndarray:
    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(mask, dtype=np.uint8))
    return outline(np.array(picture.resize((columns, rows), Image.Resampling.NEAREST)))


def outline(mask: np.ndarray) -> np.ndarray:
    """Pixels of a class other than the background, next to a pixel of another class or the border.

    Examples:
        >>> outline(np.array([[0, 0, 0, 0], [0, 1, 1, 1], [0, 1, 1, 1], [0, 1, 1, 1]])).astype(int)
        array([[0, 0, 0, 0],
               [0, 1, 1, 1],
               [0, 1, 0, 1],
               [0, 1, 1, 1]])
    """
    around = np.pad(mask, 1)
    inner = (slice(1, -1), slice(1, -1))
    near = [np.roll(around, way, axis)[inner] for axis in (0, 1) for way in (1, -1)]
    edge: np.ndarray = np.any([other != mask for other in near], axis=0) & (mask > 0)
    return edge


def _write(folder: Path, place: int, strip: Strip) -> dict[str, Any]:
    """Write the three layers of a strip; what examples.json says of them."""
    from PIL import Image

    stem = f"{place:03d}-{strip.plane}"
    files = {"image": f"{stem}.jpg", "truth": f"{stem}-truth.png", "answer": f"{stem}-answer.png"}
    with replacing(folder / files["image"]) as temporary:
        picture = Image.fromarray(strip.pixels)
        picture.save(temporary, format="JPEG", quality=QUALITY, subsampling=0, optimize=True)
    for name, lines, colour in (("truth", strip.truth, TRUTH), ("answer", strip.answer, ANSWER)):
        with replacing(folder / files[name]) as temporary:
            _write_lines(temporary, lines, colour)
    height = len(strip.pixels) // max(len(strip.slices), 1)
    return {
        "plane": strip.plane,
        **files,
        "shape": [strip.pixels.shape[1], height],
        "slices": strip.slices,
        "of": strip.of,
        "apart_mm": strip.apart_mm,
        "differ": strip.differ,
        "sides": strip.sides,
    }


def _write_lines(path: Path, lines: np.ndarray, colour: tuple[int, int, int]) -> None:
    """A PNG of one colour, transparent where there is no line."""
    from PIL import Image

    image = Image.fromarray(lines.astype(np.uint8)).convert("P")
    image.putpalette([0, 0, 0, *colour])
    image.save(path, format="PNG", transparency=0, bits=1, optimize=True)
