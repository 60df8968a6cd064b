"""What a generative model learns from: images of the training part, labelled or not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from medgraft.errors import ArgumentError, TableError, TrainingError
from medgraft.generate.networks import Shape
from medgraft.generate.recipe import Generating
from medgraft.index import Index
from medgraft.index.split import check_split, split
from medgraft.index.target import Target
from medgraft.prepare.store import Store
from medgraft.train.data import described, picture_steps
from medgraft.train.supervised import Rows

LEARNT_FROM = ("train", "val")  # a run learns from one; losses of the other may choose weights
LEAST = 2


@dataclass(frozen=True)
class Classes:
    """What classes a conditional model tells apart.

    Attributes:
        label: Column of the index.
        names: Their names, in the order of their numbers.
        values: What stands in that column for each.
    """

    label: str
    names: tuple[str, ...]
    values: tuple[str | int, ...]

    @classmethod
    def of(cls, index: Index) -> Classes:
        """The exclusive classes of an index, or presence and absence of its one label.

        Raises:
            TableError: If it has no label, or several that do not exclude each other.
        """
        target = Target.of(index)
        if target.kind == "exclusive":
            return cls(target.columns[0], target.names, target.names)
        if len(target.names) > 1:
            raise TableError(
                "--conditional needs exclusive classes or one label of 1 and 0, got"
                f" {len(target.names)} labels: {', '.join(target.names)}. Index again with one of"
                " them, or leave --conditional out."
            )
        name = target.names[0]
        return cls(name, (f"{name} = 0", f"{name} = 1"), (0, 1))

    def numbers(self, frame: pl.DataFrame) -> np.ndarray:
        """Number of the class of each row, float32 (N, 1); NaN where it has none or is uncertain."""
        column = frame[self.label].cast(pl.String)
        known = {str(value): float(place) for place, value in enumerate(self.values)}
        found = column.replace_strict(known, default=None, return_dtype=pl.Float32)
        return found.fill_null(np.nan).to_numpy().astype(np.float32)[:, None]


@dataclass(frozen=True)
class Material:
    """Images to learn from and to validate on; no image of the test part is among them.

    Attributes:
        index: The rows that could be prepared, of the training and the validation part.
        training: Images to learn from, with the number of their class (N, 1), or (N, 0).
        held_out: Images to validate on, likewise; possibly none.
        classes: What the numbers mean; None of a model without classes.
        shape: Of what is generated.
        scale: Stored value of 1.
        rejects: What could not be used: path, reason, remedy.
        steps: Preparation steps.
        notes: Sentences that a reader of the report must know.
    """

    index: Index
    training: Rows
    held_out: Rows
    classes: Classes | None
    shape: Shape
    scale: int
    rejects: pl.DataFrame
    steps: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Training images of each class."""
        if self.classes is None:
            return {}
        numbers = self.training.targets[:, 0]
        return {name: int((numbers == k).sum()) for k, name in enumerate(self.classes.names)}

    def summary(self) -> dict[str, Any]:
        """Counts for the record, of the parts that were opened."""
        found = described(self.index, self.rejects, self._classes)
        return {**found, "splits": {part: found["splits"][part] for part in LEARNT_FROM}}

    def _classes(self, part: pl.DataFrame) -> dict[str, int]:
        if self.classes is None:
            return {}
        numbers = self.classes.numbers(part)[:, 0]
        return {name: int((numbers == k).sum()) for k, name in enumerate(self.classes.names)}


def load_material(
    index_path: Path, recipe: Generating, cache: Path, *, memory_bytes: int | None = None
) -> Material:
    """Read an index and prepare the images of its training and validation parts.

    Generated images are left out: a model that learns from what a model made knows no more.

    Args:
        index_path: Written by `medgraft index`; labels are read only if the model is conditional.
        recipe: Says how to prepare, and what to split off if the index has no split.
        cache: Folder of all stores.
        memory_bytes: Keep the images in memory if they are no larger; None takes half of the
            memory that is free.

    Raises:
        TableError: If the training part is empty, or classes are asked for and there are none.
        LeakageError: If a patient, group or identical image is in two parts.
        TrainingError: If the images are no pictures of the size asked for.
        StoreError: If the array store cannot be written.
    """
    index, notes = _real(Index.load(index_path))
    if index.frame["split"].is_null().all():
        index = split(index, test=recipe.test, val=recipe.val, seed=recipe.seed)
        notes.append(
            "The index had no split; the run made one, by patient, with its seed. A training that"
            " is to be helped by its samples must have the same: run `medgraft split` before both."
        )
    check_split(index)
    classes = Classes.of(index) if recipe.conditional else None
    steps = picture_steps(index, recipe)
    index = index.with_frame(index.frame.filter(pl.col("split").is_in(LEARNT_FROM)))
    _check_training(index, notes)
    store = Store.open(index, steps, cache=cache, memory_bytes=memory_bytes)
    shape = _shape(store, recipe, 0 if classes is None else len(classes.names))
    usable = store.rows >= 0
    kept = index.with_frame(index.frame.filter(pl.Series(usable)))
    _check_training(kept, notes)
    training, held_out = (_rows(kept, store, store.rows[usable], classes, p) for p in LEARNT_FROM)
    return Material(
        kept,
        training,
        held_out,
        classes,
        shape,
        store.scale,
        pl.concat([index.rejects, store.rejects]),
        steps,
        (*notes, *store.notes),
    )


def _real(index: Index) -> tuple[Index, list[str]]:
    if "generated" not in index.frame.columns:
        return index, []
    real = index.frame.filter(~pl.col("generated").fill_null(value=False))
    out = len(index) - len(real)
    said = [f"{out} generated images of the index were left out: models learn from real ones."]
    return index.with_frame(real), said if out else []


def _rows(
    index: Index, store: Store, stored: np.ndarray, classes: Classes | None, part: str
) -> Rows:
    """Each distinct image of a part once, in the order of the store."""
    places = np.flatnonzero((index.frame["split"] == part).fill_null(value=False).to_numpy())
    rows, first = np.unique(stored[places], return_index=True)
    frame = index.frame[places[first]]
    targets = np.zeros((len(rows), 0), np.float32) if classes is None else classes.numbers(frame)
    return Rows(store, rows, targets)


def _shape(store: Store, recipe: Generating, classes: int) -> Shape:
    channels, *sides = store.shape
    if sides != [recipe.size, recipe.size]:
        raise TrainingError(
            f"images must be pictures of {recipe.size} x {recipe.size} pixels when they are"
            f" prepared, got {' x '.join(map(str, sides))}. Leave --steps out, or end it with"
            f" resize:side={recipe.size}; volumes cannot be generated."
        )
    if channels not in (1, 3):
        raise ArgumentError(
            f"images must have 1 or 3 channels, got {channels}. Pass --channels 1 or --channels 3."
        )
    return Shape(channels, recipe.size, classes)


def _check_training(index: Index, notes: list[str]) -> None:
    if (index.frame["split"] == "train").sum() < LEAST:
        raise TableError(
            f"the index must have at least {LEAST} images in its train part, but fewer could be"
            f" used. {' '.join([*notes, 'Run `medgraft split`, and look at the rejects.'])}"
        )
