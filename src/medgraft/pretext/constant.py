"""Images of one value throughout: there is nothing in them to restore, to tell or to find."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medgraft.prepare.store import Store
from medgraft.progress import track

PORTION = 2**24  # stored bytes at a time
SHOWN = 3  # paths in the sentence


def constant(store: Store, rows: np.ndarray) -> np.ndarray:
    """Which stored images have one value throughout, bool, shape as `rows`."""
    values = int(np.prod(store.shape))
    portion = max(1, PORTION // (values * store.dtype.itemsize))
    found = np.empty(len(rows), dtype=bool)
    for start in track(range(0, len(rows), portion), what="look for empty scans", unit="batch"):
        flat = store.gather(rows[start : start + portion]).reshape(-1, values)
        found[start : start + portion] = (flat == flat[:, :1]).all(axis=1)
    return found


def left_out(paths: Sequence[str]) -> list[str]:
    """The sentence about such images for a record; none if there are none.

    Examples:
        >>> left_out(["a.png", "b.png"])
        ['2 scans have one value throughout and were left out: a.png, b.png.']
    """
    if not paths:
        return []
    more = ", ..." if len(paths) > SHOWN else ""
    listed = f"{', '.join(paths[:SHOWN])}{more}"
    return [f"{len(paths)} scans have one value throughout and were left out: {listed}."]
