"""PatchCamelyon as Kaggle published it: patches of lymph nodes without their slides.

Checked against the data page of the contest (https://www.kaggle.com/c/histopathologic-cancer-detection): the
patches and parts of PatchCamelyon without its duplicates; 1 if the middle 32 x 32 pixels show tumour.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from medgraft.index.layouts import Asked, Found, layout
from medgraft.index.layouts._published import count_note, locate, need_images, of_classes
from medgraft.index.layouts._tables import has_columns, read_table
from medgraft.index.layouts.csv import as_label
from medgraft.index.paths import peek, suffix, walk

TABLE = "train_labels.csv"


def recognise(source: Path) -> str | None:
    """A ``train_labels.csv`` of `id` and `label` beside TIFF files in ``train``."""
    if not has_columns(source / TABLE, "id", "label"):
        return None
    tiffs = any(suffix(path) == ".tif" for path in peek(source / "train", 20))
    return f"{TABLE} lies beside TIFF files in train" if tiffs else None


@layout(
    "pcam_kaggle",
    recognise=recognise,
    source="PatchCamelyon of Kaggle: train_labels.csv, train/*.tif, test/*.tif",
    published=True,
)
def pcam_kaggle(source: Path, asked: Asked) -> Found:  # noqa: ARG001 (takes no options)
    """Patches of ``train_labels.csv``: 1 if there is tumour in the middle, else 0.

    Which slide a patch is from was not published, so no split can keep slides apart. The test
    patches are rows without a label.
    """
    seen = walk(source)
    found = locate(read_table(source / TABLE, "id", "label"), "id", seen.files, TABLE)
    known, strange = of_classes(found.frame, "label", ("0", "1"), TABLE)
    rejects = [*seen.rejects, *found.rejects, *strange]
    need_images(known, rejects, source, "PatchCamelyon")
    labelled = known.select("path", as_label(known["label"]))
    frame = pl.concat(
        [labelled, pl.DataFrame({"path": found.unlisted}, schema={"path": pl.String})],
        how="diagonal_relaxed",
    )
    notes = [
        "Kaggle did not publish the slides of the patches: patches of one slide will be in train"
        " and test alike, and results look better than they are. The HDF5 files of PatchCamelyon"
        " have the slides (--layout pcam)",
        *count_note(len(found.unlisted), f"patches are not in {TABLE} and have no label"),
    ]
    return Found(frame, source, ("label",), rejects, notes)
