"""What a pretraining learns from: images of the training part, and never their labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from medgraft.errors import TableError
from medgraft.index import Index
from medgraft.index.split import check_split, split
from medgraft.phantoms import is_archive
from medgraft.prepare import default_steps
from medgraft.prepare.store import Store
from medgraft.pretext.recipe import Pretraining
from medgraft.runs import RunFolder
from medgraft.train.data import channels_of
from medgraft.train.donor import check_donor
from medgraft.train.supervised import Rows

LEARNT_FROM = (
    "train",
    "val",
)  # what a run may open: it learns from one, and is chosen by the other


@dataclass(frozen=True)
class Material:
    """Images to learn from and to validate on; no image of the test part is among them.

    Attributes:
        index: The rows that could be prepared, of the training and the validation part.
        store: Their arrays.
        stored: Row of the store of each row of the index, shape (N,).
        rejects: What could not be used: path, reason, remedy.
        steps: Preparation steps.
        notes: Sentences that a reader of the report must know.
    """

    index: Index
    store: Store
    stored: np.ndarray
    rejects: pl.DataFrame
    steps: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one image, (C, *S)."""
        return tuple(self.store.shape)

    def rows(self, part: str) -> Rows:
        """Images of a part, with no target at all; each content once."""
        chosen = (self.index.frame["split"] == part).to_numpy()
        rows = np.unique(self.stored[chosen])
        return Rows(self.store, rows, np.zeros((len(rows), 0), np.float32))

    def summary(self) -> dict[str, Any]:
        """Counts for the record."""
        frame = self.index.frame
        return {
            "images": len(frame),
            "patients": int(frame["patient_id"].drop_nulls().n_unique()),
            "patients_known": self.index.patients_known,
            "synthetic": is_archive(self.index.root),
            "layout": self.index.layout,
            "rejected": len(self.rejects),
            "splits": {
                part: {
                    "images": len(rows := frame.filter(pl.col("split") == part)),
                    "patients": int(rows["patient_id"].drop_nulls().n_unique()),
                    "classes": {},
                }
                for part in LEARNT_FROM
            },
        }


def load_material(
    index_path: Path, recipe: Pretraining, cache: Path, *, memory_bytes: int | None = None
) -> Material:
    """Read an index and prepare the images of its training and validation parts.

    Args:
        index_path: Written by `medgraft index`; it needs no labels.
        recipe: Says how to prepare, and what to split off if the index has no split.
        cache: Folder of all stores.
        memory_bytes: Keep the images in memory if they are no larger; None takes half of the
            memory that is free.

    Raises:
        TableError: If the training part is empty.
        LeakageError: If a patient, group or identical image is in two parts, or the weights to
            begin with have seen test images.
        StoreError: If the array store cannot be written.
    """
    index = Index.load(index_path)
    notes = []
    if index.frame["split"].is_null().all():
        # the split that `medgraft train` would make: labels, if there are any, are spread evenly
        index = split(index, test=recipe.test, val=recipe.val, seed=recipe.seed)
        notes.append(
            "The index had no split; the run made one, by patient, with its seed. A training that"
            " begins with these weights must have the same: run `medgraft split` before both."
        )
    check_split(index)
    check_donor(RunFolder(Path(recipe.weights)), index)
    steps = tuple(
        recipe.steps or default_steps(recipe.size, channels_of(index, recipe), recipe.window)
    )
    index = index.with_frame(index.frame.filter(pl.col("split").is_in(LEARNT_FROM)))
    _check_training(index)
    store = Store.open(index, steps, cache=cache, memory_bytes=memory_bytes)
    usable = store.rows >= 0
    kept = index.with_frame(index.frame.filter(pl.Series(usable)))
    _check_training(kept)
    return Material(
        kept,
        store,
        store.rows[usable],
        pl.concat([index.rejects, store.rejects]),
        steps,
        (*notes, *store.notes),
    )


def _check_training(index: Index) -> None:
    if not (index.frame["split"] == "train").any():
        raise TableError(
            "the index must have images in its train part, but none could be used."
            " Run `medgraft split`, and look at the rejects."
        )
