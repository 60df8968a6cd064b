"""Photographs of skin lesions: HAM10000 and the ISIC challenges of 2018, 2019 and 2020.

Checked against the pages of HAM10000 (doi:10.7910/DVN/DBW86T) and of the challenges
(https://challenge.isic-archive.com/data/): GroundTruth, Metadata and LesionGroupings of 2018 and 2019.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from medgraft.errors import TableError
from medgraft.index.layouts import Asked, Found, layout
from medgraft.index.layouts._published import LABEL, count_note, locate, need_images, pick
from medgraft.index.layouts._tables import has_columns, read_table, tables
from medgraft.index.masks import MaskClasses
from medgraft.index.parts import part_of
from medgraft.index.paths import Reject, stem, subfolders, walk

HAM = ("image_id", "lesion_id", "dx")
ONE_HOT = ("image", "MEL", "NV", "BCC")
CLASSES = ("MEL", "NV", "BCC", "AKIEC", "AK", "BKL", "DF", "VASC", "SCC", "UNK")
OF_2020 = ("image_name", "patient_id", "benign_malignant", "target")
KINDS = {HAM: "HAM10000", ONE_HOT: "the ISIC challenge of 2018 or 2019", OF_2020: "ISIC 2020"}
MASK = "_segmentation"
EXTRA = {
    "lesion_id": "group",
    "patient_id": "patient_id",
    "sex": "sex",
    "age": "age_years",
    "age_approx": "age_years",
}


def recognise(source: Path) -> str | None:
    """A table with the columns of one of the sets."""
    for file in _tables(source):
        for columns, name in KINDS.items():
            if has_columns(file, *columns):
                return f"{file.name} has the columns of {name}"
    return None


@layout(
    "isic",
    recognise=recognise,
    source="HAM10000 (Tschandl et al. 2018), ISIC 2018 task 3, ISIC 2019, ISIC 2020",
    takes=LABEL,
    published=True,
)
def isic(source: Path, asked: Asked) -> Found:
    """Photographs of the tables of the set, with the class `diagnosis`.

    Photographs of one lesion share a `group`; patients are known in ISIC 2020 only, where
    ``--label benign_malignant`` is the task of the contest. Segmentations of HAM10000 are
    masks. Photographs that stand in no table are rows without a label.
    """
    seen = walk(source)
    masks = {stem(path).removesuffix(MASK): path for path in seen.files if _is_mask(path)}
    images = [path for path in seen.files if not _is_mask(path)]
    table, names = _joined(source)
    table, torn = _told_once(table, " and ".join(names))
    found = locate(table, "image", images, " and ".join(names))
    need_images(found.frame, found.rejects, source, "ISIC")
    refused = {reject.path for reject in torn}
    unlisted = [path for path in found.unlisted if stem(path) not in refused]
    known = [n for n in ("diagnosis", "benign_malignant") if n in found.frame.columns]
    labels = pick(asked, known, known[:1])
    frame = pl.concat(
        [found.frame, pl.DataFrame({"path": unlisted}, schema={"path": pl.String})],
        how="diagonal_relaxed",
    )
    columns = ["path", *dict.fromkeys(EXTRA.values()), "orig_split", *labels]
    frame = frame.select([name for name in columns if name in frame.columns])
    if masks:
        paths = [masks.get(stem(path)) for path in frame["path"]]
        frame = frame.with_columns(pl.Series("mask_path", paths, dtype=pl.String))
    notes = [
        *count_note(len(unlisted), "images stand in no table and have no label"),
        *_of_lesions(frame),
    ]
    return Found(
        frame,
        source,
        labels,
        [*seen.rejects, *torn, *found.rejects],
        notes,
        mask_classes=MaskClasses(("background", "lesion"), (0, 255)) if masks else None,
    )


def _tables(source: Path) -> list[Path]:
    """Tables at the top or one folder down, where the challenges put them."""
    if not source.is_dir():
        return []
    folders = [source, *subfolders(source)[:50]]
    files = [file for folder in folders for file in tables(folder)]
    bare = source / "HAM10000_metadata"  # as Harvard Dataverse delivers it
    return [*files, bare] if bare.is_file() else files


def _is_mask(path: str) -> bool:
    return stem(path).endswith(MASK)


def _joined(source: Path) -> tuple[pl.DataFrame, list[str]]:
    """All tables of the set in one: image, diagnosis, and what else is known."""
    files = _tables(source)
    labelled = [f for f in files if any(has_columns(f, *columns) for columns in KINDS)]
    if not labelled:
        raise TableError(
            f"'{source}' must hold a table of {', '.join(KINDS.values())}, and holds none."
            " Add it, or index the photographs with --layout folders."
        )
    frame = pl.concat([_labelled(file) for file in labelled], how="diagonal_relaxed")
    others = [f for f in files if f not in labelled and has_columns(f, "image", "lesion_id")]
    for file in others:
        more = _renamed(read_table(file)).drop("diagnosis", strict=False).unique("image")
        shared = [name for name in more.columns if name in frame.columns and name != "image"]
        frame = frame.join(more, on="image", how="left", suffix="__more")
        frame = frame.with_columns(pl.coalesce(n, f"{n}__more") for n in shared)
        frame = frame.drop(f"{n}__more" for n in shared)
    return frame, [f.name for f in labelled]


def _told_once(table: pl.DataFrame, name: str) -> tuple[pl.DataFrame, list[Reject]]:
    """One line for each image; those that tables diagnose differently are rejects.

    HAM10000 is the training part of the challenge of 2018, whose tables write its classes in capitals.
    """
    if "diagnosis" not in table.columns:
        return table.unique("image", keep="first", maintain_order=True), []
    kinds = table.select("image", kind=pl.col("diagnosis").str.to_uppercase()).drop_nulls().unique()
    torn = kinds.filter(pl.col("image").is_duplicated())["image"].unique(maintain_order=True)
    rejects = [
        Reject(image, f"{name} give it several diagnoses", "Keep the right one.") for image in torn
    ]
    kept = table.filter(~pl.col("image").is_in(torn.implode()))
    return kept.unique("image", keep="first", maintain_order=True), rejects


def _labelled(file: Path) -> pl.DataFrame:
    table = read_table(file)
    if {"image", "MEL"} <= set(table.columns):
        classes = [name for name in CLASSES if name in table.columns]
        table = table.with_columns(
            diagnosis=pl.coalesce(
                pl.when(pl.col(name).cast(pl.Float64, strict=False) == 1).then(pl.lit(name))
                for name in classes
            )
        )
    table = _renamed(table.rename({"dx": "diagnosis"}, strict=False))
    words = stem(file.name).lower().split("_")
    part = next(filter(None, map(part_of, words)), None) if "dx" not in words else None
    return table.with_columns(pl.lit(part, pl.String).alias("orig_split"))


def _renamed(table: pl.DataFrame) -> pl.DataFrame:
    names = {"image_id": "image", "image_name": "image"} | EXTRA
    table = table.rename({old: new for old, new in names.items() if old in table.columns})
    kept = ("image", "diagnosis", "benign_malignant", *EXTRA.values())
    table = table.select([name for name in table.columns if name in kept])
    if "age_years" in table.columns:
        table = table.with_columns(pl.col("age_years").cast(pl.Float64, strict=False))
    return table


def _of_lesions(frame: pl.DataFrame) -> list[str]:
    if "group" not in frame.columns or frame["group"].count() == 0:
        return ["which photographs show the same lesion was not found: add the table that says so"]
    alone = frame["group"].null_count()
    return count_note(alone, "photographs have no lesion_id; each counts as a lesion of its own")
