"""The scans that patterns are looked for in: distinct, usable, on one grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from medgraft.errors import TableError
from medgraft.index import Index
from medgraft.index.split import check_split
from medgraft.prepare.store import Store, default_cache
from medgraft.pretext.constant import constant, left_out


@dataclass(frozen=True)
class Scans:
    """Scans of the training part and, to judge by, of the validation part.

    Attributes:
        index: One row per scan; identical images stand there once.
        store: Their arrays.
        rows: Row of the store of each scan, int64 (N,).
        training: Which scans may be learnt from, bool (N,).
        notes: Sentences for the record.
    """

    index: Index
    store: Store
    rows: np.ndarray
    training: np.ndarray
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape(self) -> tuple[int, ...]:
        """Spatial shape of every scan."""
        return self.store.shape[1:]

    def load(self, scan: int) -> np.ndarray:
        """Values of one scan, float32 in [0, 1], shape (C, *S)."""
        stored = self.store.gather(self.rows[[scan]])[0]
        return np.asarray(stored / np.float32(self.store.scale))


def usable_part(index: Index) -> Index:
    """Rows that may be looked at: training, validation and those in no part; never test.

    Raises:
        LeakageError: If a patient, group or identical image is in two parts.
        TableError: If nothing is left.
    """
    if not index.frame["split"].is_null().all():
        check_split(index)
    kept = index.frame.filter((pl.col("split") != "test").fill_null(value=True))
    if kept.is_empty():
        raise TableError(
            "the index must have scans outside its test part, and has none. Patterns are not"
            " looked for in test scans; index more."
        )
    return index.with_frame(kept)


def open_scans(index: Index, steps: Sequence[str], *, cache: Path | None = None) -> Scans:
    """Prepare the scans; leave out rejects, copies and scans that are one value throughout.

    Args:
        index: What `usable_part` returned.
        steps: Preparation, to one shape.
        cache: Folder of all stores.

    Raises:
        ArgumentError: If the scans come out in different shapes.
        TableError: If no scan is left to learn from.
        StoreError: If no scan could be prepared.
    """
    store = Store.open(index, steps, cache=cache or default_cache())
    good = store.rows >= 0
    first = np.zeros(len(good), dtype=bool)
    first[np.unique(store.rows, return_index=True)[1]] = True  # copies share a row of the store
    empty = np.zeros(len(good), dtype=bool)
    empty[good] = constant(store, store.rows[good])
    kept = good & first & ~empty
    notes = list(store.notes)
    if not good.all():
        notes.append(f"{int((~good).sum())} scans could not be prepared and were left out.")
    if copies := int((good & ~first).sum()):
        notes.append(f"{copies} scans are copies of others and were left out.")
    notes += left_out(index.frame["path"].filter(pl.Series(empty)).to_list())
    frame = index.frame.filter(pl.Series(kept))
    training = (frame["split"] != "val").fill_null(value=True).to_numpy()
    if not training.any():
        raise TableError(
            "the index must have training scans that can be used, and has none. " + " ".join(notes)
        )
    return Scans(index.with_frame(frame), store, store.rows[kept], training, tuple(notes))
