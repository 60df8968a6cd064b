"""PatchCamelyon as its authors published it: HDF5 arrays, with the slide of every patch.

Checked against https://github.com/basveeling/pcam: gzipped HDF5, one file of patches and one of labels a
part; a label is 1 if any pixel of the middle 32 x 32 is tumour; the slide is `wsi` of the meta table.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import polars as pl

from medgraft.errors import TableError
from medgraft.index.layouts import Asked, Found, layout
from medgraft.index.layouts._published import count_note
from medgraft.index.layouts._tables import read_table
from medgraft.index.parts import part_of
from medgraft.index.paths import peek, walk

IMAGES = re.compile(
    r"^(?:camelyonpatch_level_2_split_(train|valid|test)_x|(training|validation|test)_split)\.h5$"
)
MOST_BYTES = 2**28  # of labels; a small file can promise very much


def recognise(source: Path) -> str | None:
    """A file such as ``camelyonpatch_level_2_split_train_x.h5``."""
    names = [path for path in peek(source, 100) if IMAGES.match(path.rpartition("/")[2])]
    return f"there is {names[0]}" if source.is_dir() and names else None


@layout(
    "pcam",
    recognise=recognise,
    source="PatchCamelyon, unpacked HDF5 and tables (Veeling et al. 2018, arXiv:1806.03962)",
    published=True,
)
def pcam(source: Path, asked: Asked) -> Found:  # noqa: ARG001 (takes no options)
    """Rows of the arrays `x`: `label` 1 if there is tumour in the middle, else 0.

    The slide of a patch is its `group`, from ``..._meta.csv``; the official parts stand in
    `orig_split`. Patients were not published: slides of one patient cannot be told.
    """
    seen = walk(source)
    everything = {path.rpartition("/")[2]: path for path in [*seen.ignored, *seen.files]}
    found = [path for path in seen.files if IMAGES.match(path.rpartition("/")[2])]
    if not found:
        raise TableError(
            f"'{source}' must hold camelyonpatch_level_2_split_train_x.h5 and the like, and holds"
            " none. Unpack the .gz files first."
        )
    frames = []
    notes = ["patches were drawn by chance, and some stand twice: `medgraft audit` lists them"]
    for images in found:
        name = IMAGES.match(images.rpartition("/")[2])
        assert name is not None
        word = (name[1] or name[2]).replace("training", "train").replace("validation", "valid")
        stem = f"camelyonpatch_level_2_split_{word}"
        labels, meta = everything.get(f"{stem}_y.h5"), everything.get(f"{stem}_meta.csv")
        frame = _rows(source, images, labels).with_columns(orig_split=pl.lit(part_of(word)))
        notes += [] if labels else [f"{stem}_y.h5 is missing: its patches have no label"]
        notes += [] if meta else [f"{stem}_meta.csv is missing: its slides are unknown"]
        frames.append(_with_slides(frame, source / meta) if meta else frame)
    frame = pl.concat(frames, how="diagonal_relaxed")
    if "group" in frame.columns:
        parts = frame.group_by("group").agg(pl.col("orig_split").n_unique())
        torn = parts.filter(pl.col("group").is_not_null() & (pl.col("orig_split") > 1)).height
        notes += count_note(torn, "slides stand in several official parts: do not use that split")
    return Found(frame, source, ("label",), seen.rejects, notes)


def _rows(source: Path, images: str, labels: str | None) -> pl.DataFrame:
    """A row per image of an array; nothing but the labels is read."""
    shape = _shape(source / images, "x")
    count = shape[0]
    values = [None] * count if labels is None else _labels(source / labels, count)
    path = pl.format("{}#x/{}", pl.lit(images), pl.int_range(count))
    return pl.DataFrame(
        {"path": pl.select(path).to_series(), "label": pl.Series(values, dtype=pl.Int8)}
    )


def _shape(file: Path, name: str) -> tuple[int, ...]:
    """The shape of an array; refused if the file cannot hold it.

    Raises:
        TableError: If it is no HDF5, has no such array, or holds less than it promises.
    """
    import h5py

    try:
        with h5py.File(file, "r") as opened:
            if isinstance(opened.get(name, getlink=True), h5py.ExternalLink):
                raise KeyError(f"{name} must lie in the file itself and is a link to another")
            array = opened[name]
            shape, stored = tuple(map(int, array.shape)), array.id.get_storage_size()
    except (OSError, KeyError, AttributeError, RuntimeError) as error:
        raise TableError(
            f"'{file}' must be HDF5 with an array called {name!r}:"
            f" {str(error).partition(chr(10))[0]}. Fetch it again and unpack it."
        ) from error
    if not shape or (shape[0] and not stored) or shape[0] > MOST_BYTES:
        raise TableError(
            f"'{file}' must hold the images that it promises, and its array {name!r} of shape"
            f" {shape} takes {stored} bytes. Fetch it again."
        )
    return shape


def _labels(file: Path, count: int) -> list[int]:
    import h5py

    shape = _shape(file, "y")
    if shape[0] != count or any(side != 1 for side in shape[1:]):
        raise TableError(
            f"'{file}' must have a label for each of {count} images, got shape {shape}."
            " Fetch both files again."
        )
    with h5py.File(file, "r") as opened:
        values = opened["y"][...].reshape(-1)
    wrong = values[~np.isin(values, [0, 1])] if values.dtype.kind in "iubf" else values
    if len(wrong):
        raise TableError(
            f"the labels of '{file}' must be 0 or 1, got {wrong[:1].tolist()!r:.40}. Fetch it again."
        )
    found: list[int] = values.astype(int).tolist()
    return found


def _with_slides(frame: pl.DataFrame, file: Path) -> pl.DataFrame:
    table = read_table(file, "wsi")
    if table.height != frame.height:
        raise TableError(
            f"'{file}' must have a row for each of {frame.height} patches, got {table.height}."
            " Fetch it again."
        )
    return frame.with_columns(table["wsi"].alias("group"))
