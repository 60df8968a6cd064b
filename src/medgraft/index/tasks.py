"""What is measured together: each file with its mask, or all images of one archive."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import overload

import numpy as np
import polars as pl

Task = tuple[list[str], dict[str, str]]
"""Paths of one file, and the mask of each path that has one."""


class Tasks(Sequence[Task]):
    """The tasks of an index, each made when it is asked for: of a million, few exist at a time."""

    def __init__(self, frame: pl.DataFrame) -> None:
        masks = "mask_path" if "mask_path" in frame.columns else pl.lit(None, pl.String)
        whole = pl.col("path").str.extract(r"(?i)^(.*\.npz)#")  # unpacked from its beginning
        part = pl.col("path").str.extract(r"(?i)^(.*\.(?:h5|hdf5)#.*\d)\d\d$")  # 100 images
        rows = frame.select("path", mask=masks, key=pl.coalesce(whole, part, "path"))
        if rows["path"].str.contains("#", literal=True).any():
            rows = rows.sort("key", maintain_order=True)
        new = rows["key"] != rows["key"].shift()
        self._starts = np.flatnonzero(new.fill_null(value=True).to_numpy())
        self._rows = rows.drop("key")

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, place: int) -> Task: ...
    @overload
    def __getitem__(self, place: slice) -> list[Task]: ...
    def __getitem__(self, place: int | slice) -> Task | list[Task]:
        if isinstance(place, int):
            return self[place : place + 1][0]
        first, last, _ = place.indices(len(self))
        ends = [*self._starts[first : last + 1].tolist()]
        ends += [self._rows.height] if last == len(self) else []
        rows = self._rows[ends[0] : ends[-1]].rows() if first < last else []
        return [_task(rows[begin - ends[0] : end - ends[0]]) for begin, end in pairwise(ends)]


def _task(rows: list[tuple[str, str | None]]) -> Task:
    return [path for path, _ in rows], {path: mask for path, mask in rows if mask}
