"""What must not be torn apart: images tied by a patient, a group, or the same content."""

from __future__ import annotations

import numpy as np
import polars as pl
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

TIES = ("patient_id", "group", "image_id")


def units(frame: pl.DataFrame) -> np.ndarray:
    """The unit of each row: rows share one if any chain of ties joins them.

    Two images are tied if they have the same patient, the same group, or the same content
    (`image_id`), so two patients who share one file make one unit. A null ties nothing.

    Returns:
        Shape (N,), int64, in [0, number of units). The numbers do not depend on the order of
        the rows: units are numbered by the least `image_id` that they hold.

    Examples:
        >>> units(pl.DataFrame({"patient_id": ["p", "q", "r", None], "group": [None] * 4,
        ...                     "image_id": ["a", "b", "a", "c"]}))
        array([0, 1, 0, 2])
    """
    count = frame.height
    rows, nodes, start = [], [], count
    for tie in TIES:
        known = frame[tie].is_not_null().to_numpy()
        codes = frame[tie].cast(pl.String).rank("dense").fill_null(0).to_numpy().astype(np.int64)
        rows.append(np.flatnonzero(known))
        nodes.append(start + codes[known] - 1)
        start += int(codes.max(initial=0))
    row, node = np.concatenate(rows), np.concatenate(nodes)
    edges = coo_array((np.ones(len(row), dtype=np.int8), (row, node)), shape=(start, start))
    _, part = connected_components(edges, directed=False)
    named = pl.DataFrame({"part": part[:count], "id": frame["image_id"]})
    least = named.select(pl.col("id").min().over("part").rank("dense"))
    number: np.ndarray = least.to_series().to_numpy().astype(np.int64) - 1
    return number
