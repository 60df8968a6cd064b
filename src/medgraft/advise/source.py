"""Images that the weights were trained on, to compare new ones with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from medgraft.errors import TableError
from medgraft.index import Index
from medgraft.runs import RunFolder
from medgraft.seeds import generator


def source_index(path: Path, target: Index, *, most: int, seed: int) -> Index:
    """Rows of the source: of its training part, if it has a split, and none that the target has too.

    Args:
        path: An index, or a run, whose images must still lie where they were.
        target: All rows of the target.
        most: How many to take, drawn by the seed.
        seed: Of the draw.

    Raises:
        TableError: If there is no such index, its images are gone, or none is left.
    """
    run = RunFolder(path)
    index = Index.load(run.index if path.is_dir() else path)
    if not index.frame["split"].is_null().all():
        index = index.part("train")
    shared = pl.col("image_id").is_in(target.frame["image_id"].to_list())
    rows = index.frame.filter(~shared).unique("image_id", maintain_order=True)
    if rows.height < 2:
        raise TableError(
            f"the source must have at least 2 training images that the target has not, but '{path}'"
            f" has {rows.height}. Give the images that the weights were trained on, or leave"
            " --source out."
        )
    count = min(most, rows.height)
    chosen = np.sort(generator(seed, "source").choice(rows.height, count, replace=False))
    return index.with_frame(rows[chosen])


def patients_of(index: Index) -> np.ndarray:
    """Whose image each row is, shape (N,); an image without a patient stands for itself."""
    frame = index.frame
    if not index.patients_known:
        return frame["image_id"].to_numpy()
    return frame["patient_id"].fill_null(frame["image_id"]).to_numpy()
