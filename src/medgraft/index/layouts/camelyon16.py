"""CAMELYON16: whole slides of lymph nodes, divided into patches; tumours in XML or as masks.

Checked against https://camelyon17.grand-challenge.org/Data/ and what public programs read of the set
(training/normal, training/tumor, testing/images, lesion_annotations, reference.csv; or images,
annotations, masks). Numbers in masks: those to which the publishers' own program turns outlines, 1 for
tumour and 2 for what is cut out of it. What is wrong with single slides: Liu et al. 2017, arXiv:1703.02442,
as public programs list it.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from medgraft.errors import ArgumentError, ReadError
from medgraft.index.layouts import Asked, Found, layout
from medgraft.index.layouts._published import REMEDY, count_note, need_images
from medgraft.index.layouts._tissue import tissue
from medgraft.index.layouts._xml import read_xml
from medgraft.index.paths import Reject, peek, stem, walk
from medgraft.progress import track
from medgraft.read.outline import filled
from medgraft.read.request import Request
from medgraft.read.slide import Slide, opened

NAME = re.compile(r"^(?P<kind>normal|tumor|test)_(?P<number>\d{3})\.tif$", re.IGNORECASE)
GRID = re.compile(r"\{slide\}#level/(\d{1,2})/(\d{1,5})")
DEFAULT = "{slide}#level/2/256"  # a quarter of the finest along each axis: about 1 µm a pixel
TUMOUR, OTHER = {"Tumor", "_0", "_1"}, {"Exclusion", "_2"}  # groups of outlines, by their names
FINE = 4  # pixels of the low resolution that the side of a patch must have at least
MOST_PIXELS = 2**26  # of the low resolution
TISSUE = 0.5  # least share of a patch that shows tissue
MASK = "_mask"
IN_TUMOUR, CUT_OUT = 1, 2  # numbers in masks; anything else is 0
ALIKE = 0.02  # by how much the size of a mask may differ from that of its slide: it is rounded
ALL = 0.95  # of the tissue; a mask that marks so much of it may number tissue, not tumour
HALF = 0.5  # least share of a patch that lies in tumour if it counts as one
UNRELIABLE = frozenset(["normal_086"])  # shows tumour: its own name is wrong
PARTLY = frozenset(  # not all tumour is outlined: what lies outside of outlines is not known
    ["test_114", *(f"tumor_{k:03}" for k in (15, 18, 20, 29, 33, 44, 46, 51, 54, 55, 79, 92, 95))]
)
SAME = {"test_049": "test_003"}  # one slide, scanned or named twice
Outlines = list[tuple[bool, np.ndarray]]  # whether it is tumour, and its corners: shape (N, 2)
SCHEMA = {
    "path": pl.String,
    "patient_id": pl.String,
    "group": pl.String,
    "tumour": pl.Int8,
    "level": pl.Int64,
    "column": pl.Int64,
    "row": pl.Int64,
    "tissue": pl.Float64,
    "orig_split": pl.String,
}


@dataclass(frozen=True)
class _Grid:
    """Square patches of a level, side by side.

    Attributes:
        columns: Left edge of each column of patches, in pixels of the level.
        rows: Upper edge of each row of patches.
        side: Of each patch.
        scale: Of the level: pixels of the finest one that make up one of its pixels.
    """

    columns: np.ndarray
    rows: np.ndarray
    side: int
    scale: float

    def shares(self, mask: np.ndarray, scale: float) -> np.ndarray:
        """The share of each patch that is set in a mask of low resolution.

        Args:
            mask: Shape (rows, columns), bool.
            scale: Pixels of the finest level that make up one of its pixels.

        Returns:
            Shape (len(self.rows), len(self.columns)).
        """
        total = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1))
        total[1:, 1:] = mask.cumsum(axis=0).cumsum(axis=1)
        left, right = self._edges(self.columns, mask.shape[1], scale)
        upper, lower = self._edges(self.rows, mask.shape[0], scale)
        count = (
            total[np.ix_(lower, right)]
            - total[np.ix_(upper, right)]
            - total[np.ix_(lower, left)]
            + total[np.ix_(upper, left)]
        )
        share: np.ndarray = count / np.outer(lower - upper, right - left)
        return share

    def _edges(self, starts: np.ndarray, most: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
        ratio = self.scale / scale  # pixels of the mask in one of the level
        first = np.minimum(np.floor(starts * ratio).astype(np.int64), most - 1)
        last = np.ceil((starts + self.side) * ratio).astype(np.int64)
        return first, np.clip(last, first + 1, most)


def recognise(source: Path) -> str | None:
    """Slides called ``tumor_001.tif``, ``normal_001.tif`` or ``test_001.tif``."""
    found = [path for path in peek(source, 50) if NAME.match(path.rpartition("/")[2])]
    return f"{found[0]} is called as a slide of CAMELYON16" if found else None


@layout(
    "camelyon16",
    recognise=recognise,
    source="CAMELYON16: whole slides as TIFF and outlines of tumour (Ehteshami Bejnordi et al. 2017)",
    takes=frozenset(["path"]),
    published=True,
)
def camelyon16(source: Path, asked: Asked) -> Found:
    """One row per patch of tissue: `tumour` 1 if half of it or more is outlined, 0 if nothing is.

    A patch that tumour touches with less is -1 (uncertain). Patches are 256 x 256 pixels of level 2
    (a quarter of the finest), side by side; ``--path '{slide}#level/1/512'`` takes others. Kept are
    those of which half shows tissue: more saturated than Otsu's threshold at low resolution. A patch
    is read from its slide when it is needed (``tumor_001.tif#level/2/512,1024/256``); `level`,
    `column` and `row` say where it lies. The slide is the `group` and the patient, as patients were not
    published. Outlines called Exclusion or _2 are cut out. Where there are no outlines, a mask
    (``tumor_001_mask.tif``: 1 tumour, 2 cut out of it) says the same. A mask that marks all tissue is
    refused, since masks are about that number tissue 1 and tumour 2. Slides whose outlines are known to
    be incomplete have blank labels outside of them.
    """
    level, side = _asked(asked.path)
    seen = walk(source)
    slides = {stem(p).lower(): p for p in seen.files if NAME.match(p.rpartition("/")[2])}
    lists = {stem(p).lower(): p for p in seen.ignored if p.lower().endswith(".xml")}
    normal = _normal(source, seen.ignored)
    masks = {
        stem(p).lower().removesuffix(MASK): p for p in seen.files if stem(p).lower().endswith(MASK)
    }
    rejects, frames, said = list(seen.rejects), [pl.DataFrame(schema=SCHEMA)], Counter[str]()
    for name, path in track(sorted(slides.items()), what="tissue", unit="slide"):
        try:
            truth = _truth(source, name, lists, masks, normal)
            with opened(Request(source / path)) as slide:
                frame = _patches(slide, name, path, level, side, truth)
        except (ReadError, ValueError) as error:
            reason = error.reason if isinstance(error, ReadError) else str(error)
            rejects.append(Reject(path, reason, REMEDY))
            continue
        said["unlabelled"] += truth is None
        said["masked"] += isinstance(truth, Path)
        said["bare"] += frame.is_empty()
        frames.append(frame)
    frame = pl.concat(frames)
    need_images(frame, rejects, source, "CAMELYON16")
    alone = masks.keys() - slides.keys()
    rejects += [
        Reject(masks[name], "no slide goes with this mask", REMEDY) for name in sorted(alone)
    ]
    notes = [
        "patients were not published: a slide counts as one",
        *count_note(said["unlabelled"], "slides have neither outlines nor a mask nor a diagnosis"),
        *count_note(said["masked"], "slides have no outlines and are labelled by their masks"),
        *count_note(said["bare"], "slides show no patch of tissue"),
        *_flaws(slides),
    ]
    return Found(frame, source, ("tumour",), rejects, notes)


def _asked(path: str | None) -> tuple[int, int]:
    """Level and side of the patches."""
    found = GRID.fullmatch(path or DEFAULT)
    if found is None or int(found[2]) == 0:
        raise ArgumentError(f"--path must be level and side, such as {DEFAULT!r}, got {path!r}.")
    return int(found[1]), int(found[2])


def _flaws(slides: dict[str, str]) -> list[str]:
    """What is known to be wrong with the slides that are there."""
    notes = [
        f"{name} shows tumour that its name denies; its labels are blank"
        for name in sorted(UNRELIABLE & slides.keys())
    ]
    partly = sorted(PARTLY & slides.keys())
    if partly:
        listed = ", ".join(partly)
        notes.append(f"not all tumour is outlined in {listed}: blank outside of their outlines")
    notes += [
        f"{name} is the same slide as {other}, and of its group"
        for name, other in SAME.items()
        if name in slides
    ]
    return notes


def _normal(source: Path, ignored: list[str]) -> set[str]:
    """Test slides that ``reference.csv`` calls normal; its lines are name, diagnosis, and more."""
    tables = [path for path in ignored if path.rpartition("/")[2] == "reference.csv"]
    found: set[str] = set()
    for path in tables:
        text = (source / path).read_text("utf-8-sig", errors="replace")
        lines = [line.split(",") for line in text.splitlines()]
        words = [[word.strip(" \"'").lower() for word in line[:2]] for line in lines]
        found |= {
            stem(name)
            for name, diagnosis in (w for w in words if len(w) > 1)
            if diagnosis == "normal"
        }
    return found


def _truth(
    source: Path, name: str, lists: dict[str, str], masks: dict[str, str], normal: set[str]
) -> Outlines | Path | None:
    """What says where a slide shows tumour: outlines, none of them if it is normal, or a mask."""
    if name in lists:
        return _outlines(source / lists[name])
    if name.startswith("normal") or name in normal:
        return []
    return source / masks[name] if name in masks else None


def _outlines(file: Path) -> Outlines:
    """Outlines in pixels of level 0, shape (N, 2), each with whether it is tumour."""
    found = []
    for annotation in read_xml(file).iter("Annotation"):
        group = annotation.get("PartOfGroup", "")
        if group not in TUMOUR | OTHER:
            raise ValueError(f"an outline belongs to the group {group[:30]!r}, which is not known")
        points = [
            (float(c.get("X", "nan")), float(c.get("Y", "nan")))
            for c in annotation.iter("Coordinate")
        ]
        corners = np.array(points).reshape(-1, 2)
        if not np.isfinite(corners).all():
            raise ValueError("a corner of an outline has no X or no Y")
        if len(corners):
            found.append((group in TUMOUR, corners))
    return found


def _patches(
    slide: Slide, name: str, path: str, level: int, side: int, truth: Outlines | Path | None
) -> pl.DataFrame:
    """The patches of tissue of one slide."""
    if level >= len(slide.levels):
        raise ValueError(f"it has {len(slide.levels)} levels, and level {level} is asked for")
    own = slide.levels[level]
    low = _low(slide, side, own.scale)
    coarse = slide.levels[low]
    picture = slide.whole(low)
    if picture.shape[-1] != 3:
        raise ValueError(f"a slide must have three colours, and it has {picture.shape[-1]}")
    grid = _Grid(
        np.arange(own.columns // side) * side, np.arange(own.rows // side) * side, side, own.scale
    )
    share = grid.shares(tissue(picture), coarse.scale)
    if truth is None or name in UNRELIABLE:
        label = np.full(share.shape, np.nan)
    else:
        if isinstance(truth, Path):
            cover = _masked(truth, slide, grid, share >= TISSUE)
        else:
            cover = grid.shares(_drawn(truth, picture.shape[:2], coarse.scale), coarse.scale)
        outside = np.nan if name in PARTLY else 0.0
        label = np.where(cover >= HALF, 1.0, np.where(cover > 0, -1.0, outside))
    at_row, at_column = np.nonzero(share >= TISSUE)
    frame = pl.DataFrame(
        {
            "column": grid.columns[at_column],
            "row": grid.rows[at_row],
            "tissue": share[at_row, at_column].round(3),
            "tumour": label[at_row, at_column],
        }
    )
    return frame.select(
        path=pl.format(
            "{}#level/{}/{},{}/{}", pl.lit(path), pl.lit(level), "column", "row", pl.lit(side)
        ),
        patient_id=pl.lit(SAME.get(name, name)),
        group=pl.lit(SAME.get(name, name)),
        tumour=pl.col("tumour").fill_nan(None).cast(pl.Int8),
        level=pl.lit(level, pl.Int64),
        column=pl.col("column").cast(pl.Int64),
        row=pl.col("row").cast(pl.Int64),
        tissue=pl.col("tissue").cast(pl.Float64),
        orig_split=pl.lit("test" if name.startswith("test") else "train"),
    )


def _low(slide: Slide, side: int, scale: float) -> int:
    """The coarsest level in which a patch is still some pixels wide.

    Args:
        slide: The slide, or its mask.
        side: Of the patch, in pixels of its own level.
        scale: Of that level.
    """
    able = [k for k, found in enumerate(slide.levels) if side * scale / found.scale >= FINE]
    if not able:
        raise ValueError(f"a patch of {side} pixels is too small to judge whether it shows tissue")
    found = slide.levels[able[-1]]
    if found.columns * found.rows > MOST_PIXELS:
        raise ValueError(
            f"its coarsest level has {found.columns} x {found.rows} pixels, which is too many"
        )
    return able[-1]


def _masked(file: Path, slide: Slide, grid: _Grid, shown: np.ndarray) -> np.ndarray:
    """The share of each patch that a mask calls tumour.

    Args:
        file: The mask.
        slide: Its slide.
        grid: The patches.
        shown: Which of them show tissue.

    Raises:
        ReadError: If it cannot be read.
        ValueError: If it is not as large as its slide, holds other numbers, or marks all tissue.
    """
    with opened(Request(file), blank=0) as mask:
        own, whole = mask.levels[0], slide.levels[0]
        if max(abs(own.columns / whole.columns - 1), abs(own.rows / whole.rows - 1)) > ALIKE:
            raise ValueError(
                f"its mask must be as large as it is, {whole.columns} x {whole.rows} pixels, and is"
                f" {own.columns} x {own.rows}"
            )
        low = _low(mask, grid.side, grid.scale)
        numbers, scale = mask.whole(low).max(axis=-1), mask.levels[low].scale
    strange = sorted(set(np.unique(numbers).tolist()) - {0, IN_TUMOUR, CUT_OUT})
    if strange:
        raise ValueError(f"its mask must hold 0, {IN_TUMOUR} and {CUT_OUT}, and holds {strange[0]}")
    marked = grid.shares(numbers > 0, scale)[shown]
    if marked.size and marked.mean() > ALL:
        raise ValueError("its mask marks all tissue, so that it may number tissue and not tumour")
    return grid.shares(numbers == IN_TUMOUR, scale)


def _drawn(outlines: Outlines, shape: tuple[int, int], scale: float) -> np.ndarray:
    """What lies in tumour and in nothing that was cut out of it, at low resolution."""
    mask = np.zeros(shape, dtype=bool)
    for kind in (True, False):
        for is_tumour, corners in outlines:
            if is_tumour is kind:
                low = np.floor(corners / scale).astype(np.int64)
                rows, columns, inside = filled(low, shape)
                mask[rows, columns][inside] = kind
    return mask
