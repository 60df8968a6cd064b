"""From an index with masks to rows of the array store, split by patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from medgraft.errors import TableError
from medgraft.index import Index
from medgraft.index.masks import MaskClasses
from medgraft.prepare.store import Store
from medgraft.seeds import generator
from medgraft.train.data import check_axes, described, parted, steps_of
from medgraft.train.recipe import Recipe
from medgraft.train.slices import OutlinedSlices, Slicing, seen_shape


@dataclass(frozen=True)
class Outlined:
    """What a run learns masks from and is judged on.

    Attributes:
        index: The rows that could be prepared, each with its split.
        classes: Of the pixels, the background first.
        store: Images and masks.
        stored: Row of the store of each row of the index, shape (N,).
        rejects: What could not be used: path, reason, remedy.
        steps: Preparation steps.
        notes: Sentences that a reader of the report must know.
        slicing: How volumes are looked at slice by slice; None for whole images.
    """

    index: Index
    classes: MaskClasses
    store: Store
    stored: np.ndarray
    rejects: pl.DataFrame
    steps: tuple[str, ...]
    notes: tuple[str, ...]
    slicing: Slicing | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of what the network sees, (C, *S)."""
        return seen_shape(self.store, self.slicing)

    def rows(self, split: str) -> np.ndarray:
        """Rows of the store with a mask, of one part."""
        found: np.ndarray = self.stored[self.places(split)]
        return found

    def training(self) -> tuple[Store | OutlinedSlices, np.ndarray]:
        """What the network learns from, and which rows of it: images, or slices of volumes."""
        rows = self.rows("train")
        if self.slicing is None:
            return self.store, rows
        slices = OutlinedSlices(self.store, self.slicing)
        return slices, slices.of(rows)

    def places(self, split: str) -> np.ndarray:
        """Rows of the index with a mask, of one part."""
        return np.flatnonzero(_masked(self.index.frame, split))

    def summary(self) -> dict[str, Any]:
        """Counts for the record: of each class the images in which it occurs."""
        return described(self.index, self.rejects, self._classes)

    def _classes(self, part: pl.DataFrame) -> dict[str, int]:
        there = part["mask_counts"].drop_nulls()
        names = self.classes.names[1:]
        return {name: int((there.list.get(k) > 0).sum()) for k, name in enumerate(names, start=1)}


def load_outlined(
    index_path: Path, recipe: Recipe, cache: Path, *, memory_bytes: int | None = None
) -> Outlined:
    """Read an index with masks, see to its split, and prepare images and masks.

    Images without a mask are left out of what is learnt and judged.

    Args:
        index_path: Written by `medgraft index`.
        recipe: Says how to prepare, what to split off and how many masks to use.
        cache: Folder of all stores.
        memory_bytes: Keep images and masks in memory if they are no larger; None takes half of
            the memory that is free.

    Raises:
        TableError: If there are no masks, no foreground to learn, or none to be judged on.
        LeakageError: If a patient, group or identical image is in two parts.
        TrainingError: If the images have the wrong number of axes for the backbone.
        StoreError: If the array store cannot be written.
    """
    index = Index.load(index_path)
    classes = index.mask_classes
    if classes is None:
        raise TableError(
            "segmentation needs an index with masks, and this one has none. Index again with"
            " --layout image_mask, or name the column of the masks with --mask."
        )
    index, notes = parted(index, recipe)
    check_axes(index, recipe)  # before hours of decoding
    _check_parts(index)
    index = few_masks(index, recipe)
    notes += _without(index)
    index = index.with_frame(index.frame.filter(pl.col("mask_path").is_not_null()))
    steps = steps_of(index, recipe)
    store = Store.open(index, steps, cache=cache, memory_bytes=memory_bytes, masks=True)
    usable = store.rows >= 0
    kept = index.with_frame(index.frame.filter(pl.Series(usable)))
    _check_parts(kept)
    rejects = pl.concat([index.rejects, store.rejects])
    return Outlined(
        kept,
        classes,
        store,
        store.rows[usable],
        rejects,
        steps,
        (*notes, *store.notes),
        Slicing.of(recipe),
    )


def _masked(frame: pl.DataFrame, split: str) -> np.ndarray:
    chosen = (pl.col("split") == split) & pl.col("mask_path").is_not_null()
    found: np.ndarray = frame.select(chosen.fill_null(value=False)).to_series().to_numpy()
    return found


def _without(index: Index) -> list[str]:
    """Say how many images nobody has segmented."""
    used = index.frame.filter(pl.col("split").is_not_null())
    bare = int(used["mask_path"].is_null().sum())
    if not bare:
        return []
    return [f"{bare} of {len(used)} images have no mask and were left out."]


def _check_parts(index: Index, parts: Sequence[str] = ("train", "test")) -> None:
    for part in parts:
        found = index.frame.filter(pl.Series(_masked(index.frame, part)))
        if not len(found):
            raise TableError(
                f"segmentation needs images with masks in its {part} part, and there are none."
                " Run `medgraft split`, and look at the rejects."
            )
        if part == "train" and _foreground(found["mask_counts"]) == 0:
            assert index.mask_classes is not None
            raise TableError(
                "segmentation needs a training mask that shows more than the background"
                f" ({index.mask_classes.names[0]}), and none does. `medgraft audit` says more."
            )


def _foreground(counts: pl.Series) -> int:
    """Pixels of all masks that are not background; masks that were not decoded count as some."""
    known = counts.drop_nulls()
    if len(known) < len(counts):
        return 1
    return int((known.list.sum() - known.list.first()).sum())


def few_masks(index: Index, recipe: Recipe) -> Index:
    """The training part cut down to so many images with a mask, drawn by the seed.

    Raises:
        TableError: If there are fewer.
    """
    if recipe.labels_per_class is None:
        return index
    candidates = np.flatnonzero(_masked(index.frame, "train"))
    if len(candidates) < recipe.labels_per_class:
        raise TableError(
            "labels_per_class must be at most the training images with a mask, got"
            f" {recipe.labels_per_class}; there are {len(candidates)}."
        )
    kept = (index.frame["split"] != "train").fill_null(value=True).to_numpy().copy()
    draw = generator(recipe.seed, "labels", 0)
    kept[draw.choice(candidates, recipe.labels_per_class, replace=False)] = True
    return index.with_frame(index.frame.filter(pl.Series(kept)))


def pixel_weights(frame: pl.DataFrame, classes: int, *, balanced: bool) -> np.ndarray:
    """Weights of the classes in the cross-entropy, shape (K,).

    Balanced: the square root of the inverse frequency of a pixel of that class, scaled so that
    the mean over the pixels is one. The plain inverse would have a few pixels of a small class
    outweigh everything. A class without a pixel weighs as much as a pixel does on average: with
    label smoothing it counts for something, and its own frequency would make that everything.
    """
    counts = frame["mask_counts"].drop_nulls()
    if not balanced or not len(counts):
        return np.ones(classes, dtype=np.float32)
    pixels = np.array([counts.list.get(k).sum() for k in range(classes)], dtype=float)
    there = pixels > 0
    share = pixels[there] / pixels.sum()
    weights = np.ones(classes)
    weights[there] = share**-0.5 / (share**0.5).sum()
    return weights.astype(np.float32)
