"""DICOM files in any arrangement; their own tags say whose they are."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import polars as pl

from medgraft.errors import TableError
from medgraft.index.layouts import Asked, Found, layout
from medgraft.index.paths import IMAGES, Reject, is_dicom, peek, suffix, walk
from medgraft.pool import spread

OTHERS = IMAGES - {".dcm", ".dicom", ".ima"}  # suffixes that no DICOM file has
TRIED = 20  # files looked at before a folder counts as one without DICOM
SCHEMA = {
    "path": pl.String,
    "folder": pl.String,
    "patient_id": pl.String,
    "study_id": pl.String,
    "series_id": pl.String,
    "view": pl.String,
    "laterality": pl.String,
    "modality": pl.String,
    "position": pl.String,
}
TAGGED = ("patient_id", "study_id", "series_id", "view", "laterality", "modality")


def recognise(source: Path) -> str | None:
    """Among the first files some are DICOM."""
    if not source.is_dir():
        return None
    marked = [is_dicom(source / path) for path in peek(source, TRIED)]
    return f"{sum(marked)} of the first {len(marked)} files are DICOM" if any(marked) else None


@layout("dicom_tree", recognise=recognise, source="DICOM files or series in any folders")
def dicom_tree(source: Path, asked: Asked) -> Found:  # noqa: ARG001 (takes no options)
    """One row per DICOM image, and one row per series whose slices make a volume.

    A volume is a folder of at least two files of one series, each at its own position; its
    path is the folder. A folder in which several such series are mixed is refused row by row:
    `read` takes a folder for one series.
    """
    seen = walk(source)
    rejects = list(seen.rejects)
    files = [path for path in seen.files if suffix(path) not in OTHERS]
    tags, unread = _tags(source, files)
    rejects += unread
    if tags.is_empty():
        raise TableError(
            f"'{source}' must hold DICOM files; none of {len(files)} files looked at is one."
        )
    singles, volumes, mixed = _volumes(tags)
    rejects += mixed
    columns = [name for name in SCHEMA if name not in ("folder", "series_id", "position")]
    frame = pl.concat([singles.select(columns), volumes.select(columns)]).sort("path")
    notes = [f"{volumes.height} series of slices are one volume each"] if len(volumes) else []
    if others := [path for path in seen.files if suffix(path) in OTHERS]:
        notes.append(
            f"{len(others)} images of other formats were left out, such as {others[0]}: put them"
            " into folders of their own, or into a table"
        )
    return Found(frame, source, (), rejects, notes)


def _tags(source: Path, files: list[str]) -> tuple[pl.DataFrame, list[Reject]]:
    rows, rejects = [], []
    with spread(
        "medgraft.index.measure:identifying",
        [str(source / path) for path in files],
        what="reading tags",
        workers=None if len(files) > 200 else 0,
    ) as replies:
        for reply in replies:
            path = files[reply.place]
            why = reply.failure or reply.said.get("reject")
            if why:
                rejects.append(Reject(path, *why))
                continue
            position = reply.said["position"]
            rows.append(
                {
                    "path": path,
                    "folder": str(PurePosixPath(path).parent),
                    "position": ",".join(f"{x:.4f}" for x in position) if position else None,
                }
                | {name: reply.said[name] for name in TAGGED}
            )
    return pl.DataFrame(rows, schema=SCHEMA), rejects


def _volumes(tags: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, list[Reject]]:
    """Single images, one row per volume, and the slices of folders that mix several."""
    key = ["folder", "series_id"]
    tags = tags.with_columns(pl.col("series_id").fill_null(""))  # anonymised: the folder decides
    series = (
        tags.group_by(key)
        .agg(pl.len().alias("files"), pl.col("position").drop_nulls().n_unique().alias("places"))
        .filter((pl.col("files") > 1) & (pl.col("places") == pl.col("files")))
        .with_columns(pl.len().over("folder").alias("volumes"))
    )
    marked = tags.join(series, on=key, how="left").with_columns(
        pl.len().over("folder").alias("all")
    )
    singles = marked.filter(pl.col("files").is_null())
    whole = (pl.col("volumes") == 1) & (pl.col("all") == pl.col("files"))
    slices = marked.filter(pl.col("files").is_not_null())
    volumes = slices.filter(whole).group_by(key).first().with_columns(path=pl.col("folder"))
    mixed = [
        Reject(
            path, "its folder mixes slices of several series", "Give each series its own folder."
        )
        for path in slices.filter(~whole)["path"]
    ]
    return singles, volumes, mixed
