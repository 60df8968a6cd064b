"""LUNA16: CT of the chest in ten subsets, with the nodules of ``annotations.csv``.

Checked against https://luna16.grand-challenge.org/Data/: names and columns of the tables, what a
nodule is, that subset N is the test part of fold N, and that candidates.csv is out of use.
"""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from medgraft.errors import ArgumentError
from medgraft.index.layouts import Asked, Found, layout
from medgraft.index.layouts._published import (
    LABEL,
    REMEDY,
    count_note,
    locate,
    need_images,
    numbers,
    pick,
)
from medgraft.index.layouts._tables import has_columns, read_table
from medgraft.index.paths import Reject, Walk, stem, suffix, walk

TABLE = "annotations.csv"
PLACE = ("coordX", "coordY", "coordZ")
CANDIDATES = ("candidates_V2.csv", "candidates.csv")  # the first one that is there is taken
SIDE_MM = 48  # of the patch around a candidate; nodules measure 3 to 30 mm
LABELS = ("nodule", "candidate")
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
    takes=LABEL,
    published=True,
)
def luna16(source: Path, asked: Asked) -> Found:
    """One row per scan: `nodule` 1 if a nodule of at least 3 mm is annotated, else 0.

    `nodules` lists centre (x, y, z in the millimetres of the file, which counts to the left and
    to the back) and diameter. The official subset, the test part of the fold of its number, stands
    in `fold`. Lungs of ``seg-lungs-LUNA16`` are masks. LUNA16 does not name patients: few of its
    scans share one.

    ``--label candidate`` gives one row per candidate of ``candidates_V2.csv`` instead: a cube of
    48 mm around it (``scan.mhd#at/x,y,z/48mm``), 1 if it is a nodule, else 0, with its scan as
    `group`. There are very many, nearly all no nodules; ``--no-decode`` spares reading each.
    """
    labels = pick(asked, LABELS, LABELS[:1])
    if len(labels) > 1:
        raise ArgumentError(
            "--label must be nodule (of scans) or candidate (of patches), got both."
        )
    seen = walk(source)
    return _candidates(source, seen) if labels == ("candidate",) else _scans(source, seen, labels)


def _scans(source: Path, seen: Walk, labels: tuple[str, ...]) -> Found:
    table = read_table(source / TABLE, "seriesuid", *PLACE, "diameter_mm")
    lesions = table.group_by("seriesuid", maintain_order=True).agg(
        pl.struct(
            *(numbers(name).alias(name[-1].lower()) for name in PLACE), numbers("diameter_mm")
        ).alias("nodules")
    )
    scans = [p for p in seen.files if suffix(p) == ".mhd" and not _is_lung(p)]
    lungs = {stem(p): p for p in seen.files if suffix(p) == ".mhd" and _is_lung(p)}
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
    if not labels:
        frame = frame.drop("nodule")
    return Found(frame, source, labels, [*seen.rejects, *found.rejects], notes)


def _candidates(source: Path, seen: Walk) -> Found:
    """A row per candidate whose scan is there."""
    name = next((n for n in CANDIDATES if (source / n).is_file()), CANDIDATES[0])
    table = read_table(source / name, "seriesuid", *PLACE, "class")
    files = [path for path in seen.files if path.endswith(".mhd") and not _is_lung(path)]
    scans = pl.DataFrame(
        {"seriesuid": [stem(path) for path in files], "scan": files},
        schema={"seriesuid": pl.String, "scan": pl.String},
    ).unique("seriesuid", keep="first", maintain_order=True)
    places = [numbers(place) for place in PLACE]
    joined = table.join(scans, on="seriesuid", how="left", maintain_order="left")
    lost = joined.filter(pl.col("scan").is_null())["seriesuid"].unique(maintain_order=True)
    kept = joined.filter(pl.col("scan").is_not_null())
    usable = pl.all_horizontal(place.is_finite().fill_null(value=False) for place in places)
    usable &= pl.col("class").is_in(["0", "1"]).fill_null(value=False)
    bad, kept = kept.filter(~usable), kept.filter(usable)
    rejects = [
        Reject(str(uid), f"{name} names it, and there is no such scan", REMEDY) for uid in lost
    ]
    rejects += [
        Reject(row["scan"], f"a line of {name} holds no place or no class 0 or 1", REMEDY)
        for row in bad.iter_rows(named=True)
    ]
    where = pl.concat_str([place.round(4).cast(pl.String) for place in places], separator=",")
    frame = kept.select(
        path=pl.format("{}#at/{}/{}mm", "scan", where, pl.lit(SIDE_MM)),
        group="seriesuid",
        candidate=pl.col("class").cast(pl.Int8),
        fold=pl.col("scan").str.extract(FOLD.pattern).cast(pl.Int64),
    ).unique("path", keep="first", maintain_order=True)
    need_images(frame, rejects, source, "LUNA16")
    notes = [
        f"a candidate is a cube of {SIDE_MM} mm, cut off where its scan ends; patients are not named",
        *count_note(kept.height - frame.height, f"candidates stand twice in {name}"),
        *count_note(_unmet(source, kept), f"annotated nodules are no candidate of {name}"),
    ]
    if name == CANDIDATES[1]:
        notes.append(f"{name} is out of use: its publishers ask to take {CANDIDATES[0]}")
    if frame["fold"].count() == 0:
        frame = frame.drop("fold")
    return Found(frame, source, ("candidate",), [*seen.rejects, *rejects], notes)


def _unmet(source: Path, candidates: pl.DataFrame) -> int:
    """Annotated nodules of these scans within whose radius no candidate is called a nodule."""
    if not (source / TABLE).is_file():
        return 0
    nodules = read_table(source / TABLE, "seriesuid", *PLACE, "diameter_mm").with_row_index(
        "nodule"
    )
    nodules = nodules.join(candidates.select("seriesuid").unique(), on="seriesuid", how="semi")
    pairs = nodules.join(candidates.filter(pl.col("class") == "1"), on="seriesuid")
    away = pl.sum_horizontal((numbers(c) - numbers(f"{c}_right")) ** 2 for c in PLACE).sqrt()
    met = pairs.filter(away <= numbers("diameter_mm") / 2)["nodule"].n_unique()
    return nodules.height - met


def _is_lung(path: str) -> bool:
    return LUNGS in path.split("/")
