"""What a discovery leaves: an index of crops, not their pixels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from medgraft.errors import TableError
from medgraft.files import read_json, replacing, write_json
from medgraft.index import Index
from medgraft.prepare.store import Store, default_cache

SCHEMA: dict[str, Any] = {
    "pattern": pl.Int32,
    "scan": pl.Int32,
    "split": pl.String,
    "rank": pl.Int32,
    "distance": pl.Float64,
    "scale": pl.Int32,
    "start": pl.List(pl.Int32),
    "side": pl.List(pl.Int32),
}


@dataclass(frozen=True)
class Patterns:
    """Crops by pattern, and the scans they lie in.

    Attributes:
        frame: One row per crop: `pattern` (its class, from 0), `scan` (row of `index`), `split`
            ("train" / "val"), `rank` (0 is the nearest: in "train" the reference itself), `distance`
            (of the descriptors), `scale` (0: the crop itself; from 1: another side, to be resized),
            `start` and `side` (first pixel and sides on the grid).
        index: The scans.
        record: What discovery.json holds, `steps`, `shape` and `crop` among it.
    """

    frame: pl.DataFrame
    index: Index
    record: dict[str, Any]

    @property
    def count(self) -> int:
        """Number of patterns: classes from 0 to count - 1."""
        return int(self.record["patterns"])

    @property
    def crop(self) -> tuple[int, ...]:
        """Sides of a crop."""
        return tuple(self.record["crop"])

    def part(self, split: str) -> pl.DataFrame:
        """Crops of one part, "train" or "val", in their order."""
        return self.frame.filter(pl.col("split") == split)

    def open_store(
        self, *, cache: Path | None = None, memory_bytes: int | None = None
    ) -> tuple[Store, np.ndarray]:
        """The arrays of the scans, and the row of the store of each scan.

        Raises:
            TableError: If a scan is no longer what it was, or cannot be read any more.
        """
        store = Store.open(
            self.index,
            self.record["steps"],
            cache=cache or default_cache(),
            memory_bytes=memory_bytes,
        )
        if (store.rows < 0).any() or list(store.shape[1:]) != list(self.record["shape"]):
            raise TableError(
                "the scans must be those that the patterns were found in, but"
                f" {int((store.rows < 0).sum())} cannot be prepared now and the others have shape"
                f" {store.shape[1:]}, not {tuple(self.record['shape'])}. Put the files back, or run"
                " `medgraft discover` again."
            )
        return store, store.rows

    def save(self, folder: Path) -> None:
        """Write crops.parquet, scans.parquet and discovery.json.

        Raises:
            OutputError: If the folder cannot be written.
        """
        self.index.save(folder / "scans.parquet")
        with replacing(folder / "crops.parquet") as temporary:
            self.frame.write_parquet(temporary)
        write_json(folder / "discovery.json", self.record)

    @classmethod
    def load(cls, folder: Path) -> Patterns:
        """Read what `save` wrote.

        Raises:
            TableError: If the folder holds no discovery, or its files do not fit each other.
        """
        record = read_json(folder / "discovery.json")
        index = Index.load(folder / "scans.parquet")
        try:
            frame = pl.read_parquet(folder / "crops.parquet")
        except (OSError, pl.exceptions.PolarsError) as error:
            raise TableError(
                f"'{folder / 'crops.parquet'}' must be a table of crops, and is not: {error}."
                " Run `medgraft discover` again."
            ) from error
        if dict(frame.schema) != SCHEMA or not frame["scan"].is_between(0, len(index) - 1).all():
            raise TableError(
                f"'{folder / 'crops.parquet'}' must have the columns {', '.join(SCHEMA)} and point"
                f" into the {len(index)} scans beside it, and does not. Run `medgraft discover`"
                " again."
            )
        return cls(frame, index, record)
