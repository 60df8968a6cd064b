"""APTOS 2019: photographs of the retina, graded 0 to 4 for diabetic retinopathy.

Checked against the data page of the contest (https://www.kaggle.com/c/aptos2019-blindness-detection/data):
`id_code`, `diagnosis` 0 to 4, and noise in pictures and labels, which its makers announce.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from medgraft.index.layouts import Asked, Found, layout
from medgraft.index.layouts._published import count_note, locate, need_images, of_classes
from medgraft.index.layouts._tables import has_columns, read_table
from medgraft.index.paths import walk

TABLE = "train.csv"
GRADES = ("0", "1", "2", "3", "4")


def recognise(source: Path) -> str | None:
    """A ``train.csv`` of `id_code` and `diagnosis`."""
    return (
        f"{TABLE} has the columns of APTOS 2019"
        if has_columns(source / TABLE, "id_code", "diagnosis")
        else None
    )


@layout(
    "aptos",
    recognise=recognise,
    source="APTOS 2019 blindness detection (Kaggle): train.csv, train_images, test_images",
    published=True,
)
def aptos(source: Path, asked: Asked) -> Found:  # noqa: ARG001 (takes no options)
    """Photographs of ``train.csv`` with the class `diagnosis`, "0" to "4".

    The test images of the contest have no published grades: they are rows without a label. The
    set names no patients, and some photographs stand in it twice, at times with two grades.
    """
    seen = walk(source)
    found = locate(read_table(source / TABLE, "id_code", "diagnosis"), "id_code", seen.files, TABLE)
    graded, strange = of_classes(found.frame, "diagnosis", GRADES, TABLE)
    rejects = [*seen.rejects, *found.rejects, *strange]
    need_images(graded, rejects, source, "APTOS 2019")
    frame = pl.concat(
        [
            graded.select("path", "diagnosis"),
            pl.DataFrame({"path": found.unlisted}, schema={"path": pl.String}),
        ],
        how="diagonal_relaxed",
    )
    notes = [
        "APTOS 2019 names no patients, and holds photographs twice, some with two grades:"
        " `medgraft audit` lists them",
        *count_note(len(found.unlisted), f"images are not in {TABLE} and have no label"),
    ]
    return Found(frame, source, ("diagnosis",), rejects, notes)
