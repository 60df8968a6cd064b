"""LUNA16: CT of the chest in ten subsets, with the nodules of ``annotations.csv``."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from medgraft.index.layouts import Asked, Found, layout
from medgraft.index.layouts._published import count_note, locate, need_images, numbers
from medgraft.index.layouts._tables import has_columns, read_table
from medgraft.index.paths import stem, walk

TABLE = "annotations.csv"
PLACE = ("coordX", "coordY", "coordZ")
LUNGS = "seg-lungs-LUNA16"
FOLD = re.compile(r"(?:^|/)subset(\d)/")


def recognise(source: Path) -> str | None:
    """An ``annotations.csv`` of `seriesuid`, coordinates and `diameter_mm`."""
    if not has_columns(source / TABLE, "seriesuid", *PLACE, "diameter_mm"):
        return None
    return f"{TABLE} has the columns of LUNA16"


@layout(
    "luna16",
    recognise=recognise,
    source="LUNA16: subset0 to subset9 and annotations.csv (Setio et al. 2017)",
    published=True,
)
def luna16(source: Path, asked: Asked) -> Found:  # noqa: ARG001 (takes no options)
    """One row per scan: `nodule` 1 if a nodule of at least 3 mm is annotated, else 0.

    `nodules` lists centre (x, y, z in the millimetres of the file, which counts to the left and
    to the back) and diameter. The official subset stands in `fold`. Lungs of
    ``seg-lungs-LUNA16`` are masks. LUNA16 does not name patients: few of its scans share one.
    """
    table = read_table(source / TABLE, "seriesuid", *PLACE, "diameter_mm")
    lesions = table.group_by("seriesuid", maintain_order=True).agg(
        pl.struct(
            *(numbers(name).alias(name[-1].lower()) for name in PLACE), numbers("diameter_mm")
        ).alias("nodules")
    )
    seen = walk(source)
    scans = [p for p in seen.files if p.endswith(".mhd") and not _is_lung(p)]
    lungs = {stem(p): p for p in seen.files if p.endswith(".mhd") and _is_lung(p)}
    found = locate(lesions.with_columns(file=pl.col("seriesuid") + ".mhd"), "file", scans, TABLE)
    known = found.frame.select("path", "nodules")
    bare = pl.DataFrame({"path": found.unlisted}, schema={"path": pl.String})
    frame = pl.concat([known, bare], how="diagonal")
    need_images(frame, found.rejects, source, "LUNA16")
    frame = frame.with_columns(
        pl.col("nodules").fill_null([]),
        nodule=pl.col("nodules").is_not_null().cast(pl.Int8),
        fold=pl.col("path").str.extract(FOLD.pattern).cast(pl.Int64),
    )
    if lungs:
        paths = [lungs.get(stem(path)) for path in frame["path"]]
        frame = frame.with_columns(pl.Series("mask_path", paths, dtype=pl.String))
    if frame["fold"].count() == 0:
        frame = frame.drop("fold")
    notes = ["LUNA16 does not name patients; its folds were made so that they need not be known"]
    notes += count_note(
        len(found.rejects), f"scans of {TABLE} are not there: only a part was unpacked"
    )
    return Found(frame, source, ("nodule",), [*seen.rejects, *found.rejects], notes)


def _is_lung(path: str) -> bool:
    return LUNGS in path.split("/")
