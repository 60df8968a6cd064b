"""What a pretraining learns from: images of the training part, and never their labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from medgraft.errors import LeakageError, TableError
from medgraft.index import Index
from medgraft.index.split import check_split, split
from medgraft.phantoms import is_archive
from medgraft.prepare.store import Store
from medgraft.pretext.constant import constant, left_out
from medgraft.pretext.discovery.crops import Crops
from medgraft.pretext.discovery.table import Patterns
from medgraft.pretext.recipe import Pretraining
from medgraft.pretext.seen import Seen
from medgraft.runs import RunFolder
from medgraft.train.data import check_axes, steps_of
from medgraft.train.donor import check_donor
from medgraft.train.supervised import Rows

SHOWN = 5
LEARNT_FROM = (
    "train",
    "val",
)  # what a run may open: it learns from one, and is chosen by the other


@dataclass(frozen=True)
class Material:
    """Images to learn from and to validate on; no image of the test part is among them.

    Attributes:
        index: The scans that could be prepared, of the training and the validation part.
        training: Images to learn from: whole scans without any target, or crops with the number
            of their pattern.
        held_out: Images to validate on, likewise; possibly none.
        shape: Of one image, (C, *S).
        rejects: What could not be used: path, reason, remedy.
        steps: Preparation steps.
        notes: Sentences that a reader of the report must know.
        patterns: How many patterns there are to name; None without a discovery.
        sees: What is learnt from, where it is not whole images: slices of volumes, crops.
        unit: What one of them is called: image, slice or crop.
    """

    index: Index
    training: Rows
    held_out: Rows
    shape: tuple[int, ...]
    rejects: pl.DataFrame
    steps: tuple[str, ...]
    notes: tuple[str, ...]
    patterns: int | None = None
    sees: tuple[str, ...] = ()
    unit: str = "image"

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

    Images of one value throughout are left out: nothing can be learnt from them.

    Args:
        index_path: Written by `medgraft index`; it needs no labels.
        recipe: Says how to prepare, and what to split off if the index has no split.
        cache: Folder of all stores.
        memory_bytes: Keep the images in memory if they are no larger; None takes half of the
            memory that is free.

    Raises:
        TableError: If the training part is empty, or all its images have one value throughout.
        TrainingError: If the images have the wrong number of axes for the backbone.
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
    steps = steps_of(index, recipe)
    index = index.with_frame(index.frame.filter(pl.col("split").is_in(LEARNT_FROM)))
    _check_training(index)
    check_axes(index, recipe)  # before hours of decoding
    store = Store.open(index, steps, cache=cache, memory_bytes=memory_bytes)
    usable = store.rows >= 0
    empty = usable.copy()
    empty[usable] = constant(store, store.rows[usable])
    usable &= ~empty
    notes += left_out(index.frame["path"].filter(pl.Series(empty)).to_list())
    kept = index.with_frame(index.frame.filter(pl.Series(usable)))
    _check_training(kept, notes)
    seen = Seen.of(recipe, store)
    training, held_out = (
        seen.rows(np.unique(store.rows[usable][(kept.frame["split"] == part).to_numpy()]))
        for part in LEARNT_FROM
    )
    return Material(
        kept,
        training,
        held_out,
        seen.shape,
        pl.concat([index.rejects, store.rejects]),
        steps,
        (*notes, *store.notes),
        sees=seen.told,
        unit=seen.unit,
    )


def load_crops(
    index_path: Path, recipe: Pretraining, cache: Path, *, memory_bytes: int | None = None
) -> Material:
    """Crops of recurring patterns that a discovery found, with the number of their pattern.

    Args:
        index_path: The index that the patterns were discovered in, or one with the same split.
        recipe: Names the discovery (`semantic`).
        cache: As in `load_material`.
        memory_bytes: Likewise.

    Raises:
        TableError: If there is no discovery, its scans have changed, or they are not in the index.
        LeakageError: If its training scans are not in the training part of the index, or the
            weights to begin with have seen test images.
    """
    index = Index.load(index_path)
    found = Patterns.load(Path(str(recipe.semantic)))
    check_split(index)
    check_donor(RunFolder(Path(recipe.weights)), index)
    _check_parts(found, index)
    store, rows = found.open_store(cache=cache, memory_bytes=memory_bytes)
    training, held_out = (_crops(found, store, rows, part) for part in LEARNT_FROM)
    return Material(
        found.index,
        training,
        held_out,
        (store.shape[0], *found.crop),
        found.index.rejects,
        tuple(found.record["steps"]),
        store.notes,
        patterns=found.count,
        unit="crop",
    )


def _crops(found: Patterns, store: Store, rows: np.ndarray, part: str) -> Rows:
    frame = found.part(part)
    targets = frame["pattern"].to_numpy().astype(np.float32)[:, None]
    return Rows(Crops.of(frame, store, rows, found.crop), np.arange(len(frame)), targets)


def _check_parts(found: Patterns, index: Index) -> None:
    """Every scan of a discovery must be in the same part of the index."""
    known = dict(index.frame.select("image_id", "split").iter_rows())
    pairs = found.index.frame.select("image_id", "path", "split").iter_rows()
    astray = [path for name, path, part in pairs if known.get(name) != part]
    if astray:
        raise LeakageError(
            f"the scans of a discovery must be in the same part of the index, but {len(astray)} of"
            f" {len(found.index)} are in another, or in none: {', '.join(astray[:SHOWN])}. Run"
            " `medgraft discover` on this index.",
            astray,
        )


def _check_training(index: Index, notes: Sequence[str] = ()) -> None:
    if not (index.frame["split"] == "train").any():
        raise TableError(
            "the index must have images in its train part, but none could be used."
            f" {' '.join([*notes, 'Run `medgraft split`, and look at the rejects.'])}"
        )
