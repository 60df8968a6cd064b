"""CAMELYON16: whole slides of lymph nodes, divided into patches; tumours outlined in XML.

Checked against https://camelyon17.grand-challenge.org/Data/ and what public programs read of the set
(training/normal, training/tumor, testing/images, lesion_annotations, reference.csv). What is wrong
with single slides: Liu et al. 2017, arXiv:1703.02442, as public programs list it.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import polars as pl

from medgraft.errors import ArgumentError, ReadError, TableError
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
HALF = 0.5  # least share of a patch that lies in tumour if it counts as one
UNRELIABLE = frozenset(["normal_086"])  # shows tumour: its own name is wrong
PARTLY = frozenset(  # not all tumour is outlined: what lies outside of outlines is not known
    ["test_114", *(f"tumor_{k:03}" for k in (15, 18, 20, 29, 33, 44, 46, 51, 54, 55, 79, 92, 95))]
)
SAME = {"test_049": "test_003"}  # one slide, scanned or named twice
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
    published. Outlines called Exclusion or _2 are cut out. Slides whose outlines are known to be
    incomplete have blank labels outside of them.
    """
    level, side = _asked(asked.path)
    seen = walk(source)
    slides = {stem(p).lower(): p for p in seen.files if NAME.match(p.rpartition("/")[2])}
    lists = {stem(p).lower(): p for p in seen.ignored if p.lower().endswith(".xml")}
    normal = _normal(source, seen.ignored)
    masks = sum(stem(path).lower().endswith("_mask") for path in seen.files)
    rejects, frames, said = list(seen.rejects), [pl.DataFrame(schema=SCHEMA)], dict[str, int]()
    for name, path in track(sorted(slides.items()), what="tissue", unit="slide"):
        try:
            outlines = _outlines(source / lists[name]) if name in lists else None
            if outlines is None and (name.startswith("normal") or name in normal):
                outlines = []
            with opened(Request(source / path)) as slide:
                frame = _patches(slide, name, path, level, side, outlines)
        except (ReadError, TableError, ValueError) as error:
            reason = error.reason if isinstance(error, ReadError) else str(error).rstrip(".")
            rejects.append(Reject(path, reason, REMEDY))
            continue
        said["unlabelled"] = said.get("unlabelled", 0) + (outlines is None)
        said["bare"] = said.get("bare", 0) + frame.is_empty()
        frames.append(frame)
    frame = pl.concat(frames)
    need_images(frame, rejects, source, "CAMELYON16")
    notes = [
        "patients were not published: a slide counts as one",
        *count_note(said.get("unlabelled", 0), "slides have neither outlines nor a diagnosis"),
        *count_note(said.get("bare", 0), "slides show no patch of tissue"),
        *count_note(masks, "masks (..._mask.tif) are left out: they were made from the outlines"),
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
        with (source / path).open(newline="", encoding="utf-8", errors="replace") as handle:
            rows = csv.reader(line.replace("\0", "") for line in handle)
            found |= {
                stem(r[0]).lower() for r in rows if len(r) > 1 and r[1].strip().lower() == "normal"
            }
    return found


def _outlines(file: Path) -> list[tuple[bool, np.ndarray]]:
    """Outlines in pixels of level 0, shape (N, 2), each with whether it is tumour."""
    found = []
    for annotation in read_xml(file).iter("Annotation"):
        group = annotation.get("PartOfGroup", "")
        if group not in TUMOUR | OTHER:
            raise TableError(f"an outline belongs to the group {group[:30]!r}, which is not known")
        points = [
            (float(c.get("X", "nan")), float(c.get("Y", "nan")))
            for c in annotation.iter("Coordinate")
        ]
        corners = np.array(points).reshape(-1, 2)
        if not np.isfinite(corners).all():
            raise TableError("a corner of an outline has no X or no Y")
        if len(corners):
            found.append((group in TUMOUR, corners))
    return found


def _patches(
    slide: Slide,
    name: str,
    path: str,
    level: int,
    side: int,
    outlines: list[tuple[bool, np.ndarray]] | None,
) -> pl.DataFrame:
    """The patches of tissue of one slide."""
    if level >= len(slide.levels):
        raise ValueError(f"it has {len(slide.levels)} levels, and level {level} is asked for")
    own, low = slide.levels[level], _low(slide, level, side)
    coarse = slide.levels[low]
    picture = slide.whole(low)
    if picture.shape[-1] != 3:
        raise ValueError(f"a slide must have three colours, and it has {picture.shape[-1]}")
    ratio = own.scale / coarse.scale  # pixels of the low resolution in one of the level
    columns, rows = np.arange(own.columns // side) * side, np.arange(own.rows // side) * side
    share = _shares(tissue(picture), columns, rows, side, ratio)
    if outlines is None or name in UNRELIABLE:
        label = np.full(share.shape, np.nan)
    else:
        cover = _shares(
            _drawn(outlines, picture.shape[:2], coarse.scale), columns, rows, side, ratio
        )
        outside = np.nan if name in PARTLY else 0.0
        label = np.where(cover >= HALF, 1.0, np.where(cover > 0, -1.0, outside))
    at_row, at_column = np.nonzero(share >= TISSUE)
    frame = pl.DataFrame(
        {
            "column": columns[at_column],
            "row": rows[at_row],
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


def _low(slide: Slide, level: int, side: int) -> int:
    """The coarsest level in which a patch is still some pixels wide."""
    scale = slide.levels[level].scale
    able = [k for k, found in enumerate(slide.levels) if side * scale / found.scale >= FINE]
    if not able:
        raise ValueError(f"a patch of {side} pixels is too small to judge whether it shows tissue")
    found = slide.levels[able[-1]]
    if found.columns * found.rows > MOST_PIXELS:
        raise ValueError(
            f"its coarsest level has {found.columns} x {found.rows} pixels, which is too many"
        )
    return able[-1]


def _drawn(
    outlines: list[tuple[bool, np.ndarray]], shape: tuple[int, int], scale: float
) -> np.ndarray:
    """What lies in tumour and in nothing that was cut out of it, at low resolution."""
    mask = np.zeros(shape, dtype=bool)
    for kind in (True, False):
        for is_tumour, corners in outlines:
            if is_tumour is kind:
                low = np.floor(corners / scale).astype(np.int64)
                rows, columns, inside = filled(low, shape)
                mask[rows, columns][inside] = kind
    return mask


def _shares(
    mask: np.ndarray, columns: np.ndarray, rows: np.ndarray, side: int, ratio: float
) -> np.ndarray:
    """The share of each patch of a grid that is set in a mask of low resolution.

    Returns:
        Shape (len(rows), len(columns)).
    """
    total = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1))
    total[1:, 1:] = mask.cumsum(axis=0).cumsum(axis=1)

    def edges(starts: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
        first = np.minimum(np.floor(starts * ratio).astype(np.int64), most - 1)
        return first, np.clip(np.ceil((starts + side) * ratio).astype(np.int64), first + 1, most)

    (left, right), (upper, lower) = edges(columns, mask.shape[1]), edges(rows, mask.shape[0])
    count = (
        total[np.ix_(lower, right)]
        - total[np.ix_(upper, right)]
        - total[np.ix_(lower, left)]
        + total[np.ix_(upper, left)]
    )
    share: np.ndarray = count / np.outer(lower - upper, right - left)
    return share
