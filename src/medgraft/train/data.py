"""From an index to rows of the array store with their targets, split by patient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from medgraft.errors import ArgumentError, ReadError, TableError, TrainingError
from medgraft.index import Index
from medgraft.index.generated import GENERATED
from medgraft.index.split import check_split, split
from medgraft.index.target import Target
from medgraft.nets.backbones import find
from medgraft.phantoms import is_archive
from medgraft.prepare import default_steps
from medgraft.prepare.presets import preset_steps
from medgraft.prepare.store import Store
from medgraft.read import read
from medgraft.runs import RunFolder
from medgraft.seeds import generator
from medgraft.train.continuing import check_same_answers, split_like
from medgraft.train.donor import check_donor
from medgraft.train.recipe import BaseRecipe, ImageRecipe, Recipe
from medgraft.train.samples import Samples, joined, load_samples
from medgraft.train.slices import ALONG, Slicing, seen_shape, sliced
from medgraft.train.supervised import Normalisation, Rows
from medgraft.train.uncertain import Uncertain

SHOWN = 5  # paths in a message
PORTION = 2**22  # stored bytes at a time, when statistics are taken


@dataclass(frozen=True)
class Data:
    """What a run learns from and is judged on.

    Attributes:
        index: The rows that could be prepared, each with its split.
        target: What the labels are.
        store: Their arrays.
        stored: Row of the store of each row of the index, shape (N,).
        rejects: What could not be used: path, reason, remedy.
        steps: Preparation steps.
        notes: Sentences that a reader of the report must know.
        slicing: How volumes are looked at slice by slice; None for whole images.
        uncertain: What uncertain and blank labels teach; None: nothing.
        samples: What is learnt from beside the labelled images; None: nothing.
    """

    index: Index
    target: Target
    store: Store
    stored: np.ndarray
    rejects: pl.DataFrame
    steps: tuple[str, ...]
    notes: tuple[str, ...]
    slicing: Slicing | None = None
    uncertain: Uncertain | None = None
    samples: Samples | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of what the network sees, (C, *S)."""
        return seen_shape(self.store, self.slicing)

    def rows(self, split: str) -> Rows:
        """What the network sees of one part; -1 (uncertain) is unknown but where it is learnt from."""
        chosen = self.places(split)
        rows = Rows(self.store, self.stored[chosen], self._targets(chosen, split))
        return rows if self.slicing is None else sliced(rows, self.store, self.slicing)

    def training(self) -> Rows:
        """What is learnt with labels: the training part, and samples that have labels.

        Where images are learnt from without labels as well, those that have none stand there alone.
        """
        rows = self.rows("train")
        if self.samples is None:
            return rows
        if self.samples.unlabelled is None:
            return joined(rows, self.samples.generated, len(self.store))
        known = ~np.isnan(rows.targets).all(axis=1)
        return Rows(rows.store, rows.rows[known], rows.targets[known])

    def _targets(self, chosen: np.ndarray, split: str) -> np.ndarray:
        truth = self.target.matrix(self.index.frame)[chosen]
        if split == "train" and self.uncertain is not None:
            return self.uncertain.taught(truth, self.index.part(split), self.target)
        return np.asarray(np.where(truth < 0, np.nan, truth))

    def places(self, split: str) -> np.ndarray:
        """Rows of the index that belong to one part."""
        return np.flatnonzero(_in_part(self.index, split))

    def summary(self) -> dict[str, Any]:
        """Counts for the record."""
        return described(self.index, self.rejects, self._classes)

    def _classes(self, part: pl.DataFrame) -> dict[str, int]:
        positives = (self.target.matrix(part) == 1).sum(axis=0)
        return dict(zip(self.target.names, positives.tolist(), strict=True))


def described(
    index: Index, rejects: pl.DataFrame, classes: Callable[[pl.DataFrame], dict[str, int]]
) -> dict[str, Any]:
    """What `data` of ``run.json`` says of an index.

    Args:
        index: The rows that are used.
        rejects: Those that could not be.
        classes: From the rows of a part to the images of each class.
    """

    def part(split: str) -> dict[str, Any]:
        rows = index.part(split).frame
        return {
            "images": len(rows),
            "patients": int(rows["patient_id"].drop_nulls().n_unique()),
            "classes": classes(rows),
        }

    return {
        "images": len(index),
        "patients": int(index.frame["patient_id"].drop_nulls().n_unique()),
        "patients_known": index.patients_known,
        "synthetic": is_archive(index.root),
        "layout": index.layout,
        "rejected": len(rejects),
        "splits": {split: part(split) for split in ("train", "val", "test")},
    }


def load_data(
    index_path: Path,
    recipe: Recipe,
    cache: Path,
    *,
    memory_bytes: int | None = None,
    only: str | None = None,
) -> Data:
    """Read an index, see to its split, and prepare its images.

    Args:
        index_path: Written by `medgraft index`.
        recipe: Says how to prepare, what to split off and how many labels to use.
        cache: Folder of all stores.
        memory_bytes: Keep the images in memory if they are no larger; None takes half of the
            memory that is free.
        only: Name of the one part to prepare, when no image of another may be opened; None
            prepares all.

    Raises:
        TableError: If the index is not usable: no labels, one class, an empty part.
        LeakageError: If a patient, group or identical image is in two parts.
        TrainingError: If the images have the wrong number of axes for the backbone.
        StoreError: If the array store cannot be written.
    """
    if recipe.task != "classification":
        raise ArgumentError(
            f"this command is about labels, got task {recipe.task!r}. Leave --task out."
        )
    index = Index.load(index_path)
    _check_has_labels(index)
    target = Target.of(index, positive=recipe.positive)
    if recipe.continues is not None:
        check_same_answers(RunFolder(Path(recipe.continues)), target)
    index, notes = parted(index, recipe)
    uncertain = Uncertain.of(recipe.uncertain, recipe.blank, target)
    uncertain.check_donors(index)
    check_axes(index, recipe)  # before hours of decoding
    steps = steps_of(index, recipe)
    whole = index
    index = few_labels(index, target, recipe)
    if only is not None:
        index = index.part(only)
    parts = ("train", "test") if only is None else (only,)
    _check_parts(index, target, parts)
    store = Store.open(index, steps, cache=cache, memory_bytes=memory_bytes)
    usable = store.rows >= 0
    kept = index.with_frame(index.frame.filter(pl.Series(usable)))
    _check_parts(kept, target, parts)
    rejects = pl.concat([index.rejects, store.rejects])
    samples = load_samples(recipe, whole, target, steps, store, cache)
    return Data(
        kept,
        target,
        store,
        store.rows[usable],
        rejects,
        steps,
        (*notes, *store.notes, *(samples.notes if samples else ())),
        Slicing.of(recipe),
        uncertain,
        samples,
    )


def _check_has_labels(index: Index) -> None:
    if not index.labels and index.mask_classes is not None:
        raise TableError(
            "classification needs labels, and this index has masks alone. Pass --task segmentation"
            " to learn them, or index again with --label COLUMN."
        )


def parted(index: Index, recipe: Recipe) -> tuple[Index, list[str]]:
    """The index with a split that leaks nothing, and what the reader of a report must know of it.

    Raises:
        LeakageError: If a patient, group or identical image is in two parts, or the weights have
            seen test images.
        TableError: If some test images have a patient and others have none.
    """
    notes = []
    if index.frame["split"].is_null().all():
        index, note = _split(index, recipe)
        notes.append(note)
    check_split(index)
    check_donor(RunFolder(Path(recipe.weights)), index, same_archive=recipe.continues is not None)
    _check_patients(index)
    return index, notes


def _split(index: Index, recipe: Recipe) -> tuple[Index, str]:
    shares: dict[str, Any] = {"test": recipe.test, "val": recipe.val, "seed": recipe.seed}
    if recipe.continues is None:
        note = "The index had no split; the run made one, by patient, with its seed."
        return split(index, **shares), note
    note = (
        "The index had no split; the run made one, by patient: whom the earlier run knew stays in"
        " the part in which it had them."
    )
    return split_like(RunFolder(Path(recipe.continues)), index, **shares), note


def _check_patients(index: Index) -> None:
    """Refuse now what no interval by patient could be taken of when training is over."""
    test = index.part("test").frame
    blank = test.filter(pl.col("patient_id").is_null())["path"]
    if index.patients_known and len(blank):
        raise TableError(
            f"every test image must have a patient, since others have one, but {len(blank)} of"
            f" {len(test)} have none: {', '.join(blank.head(SHOWN))}. Fill them in, or index again"
            " with --patient none."
        )


def steps_of(index: Index, recipe: BaseRecipe) -> tuple[str, ...]:
    """The preparation steps of a recipe, of volumes turned where slices of a named plane are cut."""
    steps = picture_steps(index, recipe)
    given = recipe.steps or recipe.preset is not None
    oriented = not given and recipe.slices is not None and recipe.slice_plane in ALONG
    return (*steps, "orient") if oriented else steps


def picture_steps(index: Index, recipe: ImageRecipe) -> tuple[str, ...]:
    """The preparation steps of a recipe: its own, its preset's, or those that serve most archives."""
    if recipe.steps:
        return tuple(recipe.steps)
    channels = channels_of(index, recipe)
    if recipe.preset is not None:
        return tuple(preset_steps(recipe.preset, recipe.size, channels, recipe.window))
    return tuple(default_steps(recipe.size, channels, recipe.window))


def check_axes(index: Index, recipe: BaseRecipe) -> None:
    """Refuse pictures for a network of volumes, and volumes for one of pictures unless in slices.

    Raises:
        TrainingError: With what the network needs.
    """
    if recipe.slices is None:
        check_dims(recipe.backbone, spatial_axes(index))


def check_dims(backbone: str, axes: int, more: str = "") -> None:
    """Refuse images of another number of spatial axes than a backbone takes.

    Args:
        backbone: Its name.
        axes: Of the images.
        more: What else is known of them, for the message.

    Raises:
        TrainingError: With what it needs.
    """
    dims = find(backbone).dims
    if axes != dims:
        raise TrainingError(
            f"{backbone} needs images of {dims} spatial axes, but those of this index have"
            f" {axes}{more}. Choose another --backbone, such as unet{axes}d,"
            f" {'look at volumes in slices (--slices 3), ' * (dims == 2)}or index pictures and"
            " volumes apart."
        )


def spatial_axes(index: Index) -> int:
    """2 for an archive of pictures, 3 for volumes, from the index or the first readable file."""
    shapes = index.frame["shape"].drop_nulls()
    if len(shapes):
        return int(shapes.list.len().mode()[0]) - 1
    for path in index.frame["path"]:
        try:
            return read(index.file(path)).dims
        except ReadError:
            continue
    return 2  # the store will say why none can be read


def channels_of(index: Index, recipe: ImageRecipe) -> int:
    """Channels that images are prepared with: as the recipe says, else 3 if any image has colour."""
    if recipe.channels is not None:
        return recipe.channels
    shapes = index.frame["shape"].drop_nulls()
    if len(shapes):
        return 3 if (shapes.list.first() >= 3).any() else 1
    for path in index.frame["path"]:  # indexed with --no-decode: the first that can be read
        try:
            return 3 if read(index.file(path)).channels >= 3 else 1
        except ReadError:
            continue
    return 1  # the store will say why none can be read


def few_labels(index: Index, target: Target, recipe: Recipe) -> Index:
    """The training part cut down to so many images of each class, drawn by the seed.

    Generated images among them are neither counted nor left out.

    Raises:
        TableError: If a class has fewer, or the labels are several that do not exclude each other.
    """
    if recipe.labels_per_class is None:
        return index
    truth, names = target.matrix(index.frame), target.names
    if target.kind == "independent":
        if len(target.names) > 1:
            raise TableError(
                "labels_per_class needs one label or exclusive classes, got"
                f" {len(target.names)} labels: {', '.join(target.names)}."
            )
        truth = np.hstack([1 - truth, truth])
        names = (f"{names[0]} = 0", f"{names[0]} = 1")
    training = _in_part(index, "train")
    if GENERATED in index.frame.columns:
        training &= ~index.frame[GENERATED].fill_null(value=False).to_numpy()
    kept = ~training
    for place, column in enumerate(truth.T):
        candidates = np.flatnonzero(training & (column == 1))
        if len(candidates) < recipe.labels_per_class:
            raise TableError(
                f"labels_per_class must be at most the training images of every class, got"
                f" {recipe.labels_per_class}; {names[place]!r} has {len(candidates)}."
            )
        draw = generator(recipe.seed, "labels", place)
        kept[draw.choice(candidates, recipe.labels_per_class, replace=False)] = True
    return index.with_frame(index.frame.filter(pl.Series(kept)))


def _in_part(index: Index, split: str) -> np.ndarray:
    return (index.frame["split"] == split).fill_null(value=False).to_numpy()


def _check_parts(index: Index, target: Target, parts: Sequence[str]) -> None:
    truths = target.matrix(index.frame)
    for part in parts:
        truth = truths[_in_part(index, part)]
        if not (truth >= 0).any():
            what = "has a label" if len(truth) else "could be used"
            raise TableError(
                f"the index must have images with labels in its {part} part, but none {what}."
                " Run `medgraft split`, and look at the rejects."
            )
        if part == "train" and not any(len(set(c[c >= 0].tolist())) == 2 for c in truth.T):
            raise TableError(
                "training needs at least two classes, but the train part has images of one only."
                " Run `medgraft split INDEX --force`, or add images."
            )


def statistics(rows: Rows) -> Normalisation:
    """Mean and standard deviation per channel over the training images, from their histogram."""
    store = rows.store
    first = store.gather(rows.rows[:1])
    portion = max(1, PORTION // first.nbytes)
    counts = np.zeros((first.shape[1], store.scale + 1), dtype=np.int64)
    for start in range(0, len(rows.rows), portion):
        images = store.gather(rows.rows[start : start + portion])
        for channel, count in enumerate(counts):
            count += np.bincount(images[:, channel].ravel(), minlength=len(count))
    share = counts / counts.sum(axis=1, keepdims=True)
    levels = np.arange(store.scale + 1) / store.scale
    mean = share @ levels
    variance = (share * (levels - mean[:, None]) ** 2).sum(axis=1)
    std = np.sqrt(np.maximum(variance, 1e-12))
    return Normalisation(
        tuple(mean.round(6).tolist()), tuple(std.round(6).tolist()), "the training images"
    )


def class_weights(targets: np.ndarray, *, kind: str, balanced: bool) -> np.ndarray:
    """Weights of the classes in the loss, shape (K,).

    Exclusive classes: inverse frequency, scaled so that the mean over images of a known
    class is one.
    Independent labels: negatives per positive, the factor on the positives.
    """
    if not balanced:
        return np.ones(targets.shape[1], dtype=np.float32)
    positives = np.maximum((targets == 1).sum(axis=0), 1)
    if kind == "independent":
        return np.asarray((targets == 0).sum(axis=0) / positives, dtype=np.float32)
    known = (~np.isnan(targets).any(axis=1)).sum()
    return np.asarray(known / (targets.shape[1] * positives), dtype=np.float32)
