"""Boxes around what an image shows, as labels of the image."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import polars as pl

from medgraft.errors import TableError
from medgraft.index.table import COLUMNS

BOX = {
    "kind": pl.String,
    "x": pl.Float64,
    "y": pl.Float64,
    "width": pl.Float64,
    "height": pl.Float64,
}  # left and upper edge, in pixels from the upper left corner
MOST_KINDS = 1000


class Marked(NamedTuple):
    """An image and what is marked in it: dictionaries with the keys of `BOX`."""

    path: str
    boxes: list[dict[str, Any]]


def with_boxes(
    images: Iterable[Marked], kinds: Iterable[str] = ()
) -> tuple[pl.DataFrame, list[str]]:
    """A row per image with its `boxes`, and a column of 1 and 0 for each kind of thing.

    Args:
        images: Paths and boxes.
        kinds: Kinds that are known besides those that are marked.

    Returns:
        The rows, sorted by path, and the names of the columns.

    Raises:
        TableError: If there are more than 1,000 kinds, or one is called as a column of the index.
    """
    rows = sorted(images, key=lambda image: image.path)
    found = sorted({box["kind"] for image in rows for box in image.boxes} | set(kinds))
    if len(found) > MOST_KINDS or set(found) & {*COLUMNS, "boxes"}:
        bad = [kind for kind in found if kind in COLUMNS or kind == "boxes"] or found[:3]
        raise TableError(
            f"what is marked must be of at most {MOST_KINDS} kinds, none called as a column of the"
            f" index, got {len(found)} such as {bad[0]!r}. Rename it."
        )
    shown = [{box["kind"] for box in image.boxes} for image in rows]
    frame = pl.DataFrame(
        {"path": [r.path for r in rows], "boxes": [r.boxes for r in rows]},
        schema={"path": pl.String, "boxes": pl.List(pl.Struct(BOX))},
    )
    columns = [pl.Series(kind, [kind in one for one in shown], dtype=pl.Int8) for kind in found]
    return frame.with_columns(columns), found
