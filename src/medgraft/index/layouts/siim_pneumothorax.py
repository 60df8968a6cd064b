"""SIIM-ACR pneumothorax: DICOM films and outlines as run-lengths in a table.

Checked against the data page of the contest as programs quote it: pairs of numbers counted from the end of
the run before, -1 where there is nothing, several lines for a film with several outlines.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from medgraft.index.layouts import Asked, Found, layout
from medgraft.index.layouts._published import count_note, locate, need_images
from medgraft.index.layouts._tables import has_columns, read_table
from medgraft.index.masks import MaskClasses
from medgraft.index.paths import peek, walk

TABLES = ("train-rle.csv", "stage_2_train.csv")
NOTHING = "-1"  # stands instead of run-lengths where there is no pneumothorax


def recognise(source: Path) -> str | None:
    """A table of `ImageId` and `EncodedPixels` beside DICOM files."""
    for name in TABLES:
        if has_columns(source / name, "ImageId", "EncodedPixels"):
            dicom = any(path.lower().endswith(".dcm") for path in peek(source, 500))
            return f"{name} holds run-lengths of films" if dicom else None
    return None


@layout(
    "siim_pneumothorax",
    recognise=recognise,
    source="SIIM-ACR pneumothorax segmentation (Kaggle 2019): train-rle.csv and DICOM",
    published=True,
)
def siim_pneumothorax(source: Path, asked: Asked) -> Found:  # noqa: ARG001 (takes no options)
    """Films of the table: `pneumothorax` 1 or 0, and the outline of each as its mask.

    A mask is read from the table itself (``train-rle.csv#1.2.276...``); all rows of a film are
    one mask. Films of the test part have neither. Tags give patient, view and age.
    """
    name = next((n for n in TABLES if (source / n).is_file()), TABLES[0])
    table = read_table(source / name, "ImageId", "EncodedPixels")
    films = table.group_by("ImageId", maintain_order=True).agg(
        (pl.col("EncodedPixels") != NOTHING).any().cast(pl.Int8).alias("pneumothorax"),
        pl.len().alias("rows"),
    )
    seen = walk(source)
    images = [path for path in seen.files if path.lower().endswith(".dcm")]
    # an id has dots, and the last of them begins no suffix
    films = films.with_columns(file=pl.col("ImageId") + ".dcm")
    found = locate(films, "file", images, name)
    need_images(found.frame, found.rejects, source, "SIIM-ACR pneumothorax")
    masks = pl.format("{}#{}", pl.lit(name), pl.col("ImageId")).alias("mask_path")
    frame = pl.concat(
        [
            found.frame.select("path", "pneumothorax", masks),
            pl.DataFrame({"path": found.unlisted}, schema={"path": pl.String}),
        ],
        how="diagonal_relaxed",
    )
    blank = films.filter(pl.col("pneumothorax").is_null()).height
    notes = [
        *count_note(len(found.unlisted), f"films are not in {name} and have no label"),
        *count_note(films.filter(pl.col("rows") > 1).height, "films have several outlines, joined"),
        *count_note(blank, "films have neither an outline nor -1 and no label"),
    ]
    return Found(
        frame,
        source,
        ("pneumothorax",),
        [*seen.rejects, *found.rejects],
        notes,
        mask_classes=MaskClasses(("background", "pneumothorax"), (0, 1)),
    )
