"""What a network makes of the candidates: answers for several views of each, and features."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

from medgraft.active.candidates import Candidates
from medgraft.active.evidence import Evidence, Integers
from medgraft.active.learner import never_learns
from medgraft.active.model import Model
from medgraft.active.trunk import Elsewhere, Passing, Trunk, fingerprint, keep
from medgraft.augment import Augmenter
from medgraft.errors import TableError
from medgraft.index import Index
from medgraft.nets import create
from medgraft.prepare.store import Store, default_cache
from medgraft.runs import RunFolder
from medgraft.train.batches import Placement
from medgraft.train.data import steps_of
from medgraft.train.hardware import find_device
from medgraft.train.predict import load_predictor
from medgraft.train.recipe import Recipe, load_recipe
from medgraft.train.setup import check_shape, last_stage, normalisation
from medgraft.train.supervised import Predictor, Rows

Group = tuple[str, ...]  # image_id of all images of a candidate


@dataclass(frozen=True)
class Looked:
    """What is known of the candidates of a round.

    Attributes:
        candidates: The images of each, those that could be prepared.
        evidence: Of the candidates, in that order, with features; of what is labelled as well.
            The views of a candidate are those of its images in turn.
        views: Looks at each image, the first at the image as it is.
        labelled: The images of what is labelled, in the order of `evidence.labelled`.
        names: Classes that the network answers for; empty if none was asked.
        unreadable: Images that could not be prepared.
    """

    candidates: list[Group]
    evidence: Evidence
    views: int
    labelled: list[Group]
    names: tuple[str, ...]
    unreadable: int

    def answers(self) -> tuple[list[str], np.ndarray]:
        """All images that wait, and what is said of each as it is, shape (M, K)."""
        sizes = np.array([len(group) for group in self.candidates])
        rows = np.repeat(np.arange(len(sizes)), sizes)
        inside = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        names = [name for group in self.candidates for name in group]
        return names, np.asarray(self.evidence.probabilities[rows, inside * self.views])


@dataclass(frozen=True)
class Pool:
    """Images to choose among, and how to look at them.

    Attributes:
        index: Of the campaign; of its train part.
        waiting: Ids of images without a label.
        known: Ids of images with one.
        column: Whose values are bought as a whole; None for single images.
        views: Looks at each image.
        seed: Of the augmented views.
        kept: Folder for what stages that never learn make of all images of the part.
        scratch: Folder for what does not fit in memory; it can go when the choice is made.
        elsewhere: Where images pass the network, if not in this process.
    """

    index: Index
    waiting: Sequence[str]
    known: Sequence[str]
    column: str | None
    views: int
    seed: int
    kept: Path
    scratch: Path
    elsewhere: Elsewhere | None = None


def look_with_run(run: RunFolder, pool: Pool, *, progress: float = 0.0) -> Looked:
    """Ask a trained network about the candidates.

    If no stage of it ever learns, what they make of the images is found again where an earlier
    round has kept it: nothing passes them then.

    Args:
        run: A finished run; its augmentations make the views.
        pool: The candidates.
        progress: How far the campaign has come, in [0, 1].
    """
    predictor, record, images = _asked(run, pool.index)
    trunk = _trunk(predictor, images, load_recipe(run.recipe), pool)
    looked = _look(Model(predictor, trunk, pool.scratch), images, pool, progress)
    return replace(looked, names=tuple(record["labels"]))


def said_by(run: RunFolder, index: Index, ids: Sequence[str]) -> pl.DataFrame:
    """What a run says of some images of the train part: image_id and p_<name>.

    Images that cannot be read are left out.
    """
    predictor, record, images = _asked(run, index)
    candidates = images.candidates(ids, None)
    passing = Passing(predictor, images, None, 0)
    said = Model(predictor, passing, run.path).answers(candidates.images)
    names = images.index.frame["image_id"][candidates.images]
    columns = {f"p_{name}": said[:, k] for k, name in enumerate(record["labels"])}
    return pl.DataFrame({"image_id": names, **columns})


def look_with_weights(recipe: Recipe, pool: Pool, classes: int) -> Looked:
    """What a network that has not learnt the question yet makes of the candidates: features.

    Of the answers nothing is known, so all are alike. If no stage will ever learn, the later
    rounds have their views from here as well.
    """
    images = _Images.of(pool.index, steps_of(pool.index, recipe))
    made = create(
        recipe.backbone,
        in_channels=images.store.shape[0],
        classes=classes,
        weights=recipe.weights,
        after=last_stage(recipe),
    )
    check_shape(made.network.backbone, images.store.shape[1:])
    device = find_device(recipe.device)
    rows = Rows(images.store, images.stored, np.empty((len(images.stored), 0)))
    known_statistics = made.weights is not None and made.weights.mean is not None
    predictor = Predictor(
        made.network.to(device).eval(),
        "exclusive" if classes > 1 else "independent",
        normalisation(made.weights, rows),
        Placement(device),
    )
    passing = Passing(predictor, images, None, pool.seed, pool.elsewhere)
    trunk = _trunk(predictor, images, recipe, pool) if known_statistics else passing
    looked = _look(Model(predictor, trunk, pool.scratch), images, replace(pool, views=1), 0.0)
    flat = np.full((len(looked.candidates), 1, classes), 1 / classes)
    evidence = replace(looked.evidence, probabilities=flat, counts=None)
    return replace(looked, evidence=evidence)


@dataclass(frozen=True)
class _Images:
    """The images of the train part that could be prepared, each once; the same in all rounds."""

    index: Index
    store: Store
    stored: Integers

    @classmethod
    def of(cls, index: Index, steps: Sequence[str], bits: Literal[8, 16] | None = None) -> _Images:
        once = index.part("train").frame.unique("image_id", keep="first", maintain_order=True)
        store = Store.open(index.with_frame(once), steps, cache=default_cache(), bits=bits)
        usable = store.rows >= 0
        return cls(index.with_frame(once.filter(pl.Series(usable))), store, store.rows[usable])

    def candidates(self, ids: Sequence[str], column: str | None) -> Candidates:
        """Those of some images that could be prepared."""
        place = {name: n for n, name in enumerate(self.index.frame["image_id"])}
        places = np.array([place[one] for one in ids if one in place], dtype=np.int64)
        return Candidates.of(self.index.frame, places, column)


def _asked(run: RunFolder, index: Index) -> tuple[Predictor, dict[str, Any], _Images]:
    """The network of a run, what is written of it, and images prepared as it wants them."""
    predictor, record = load_predictor(run, load_recipe(run.recipe).device)
    bits: Literal[8, 16] = 8 if record["scale"] == 255 else 16
    return predictor, record, _Images.of(index, record["steps"], bits)


def _trunk(predictor: Predictor, images: _Images, recipe: Recipe, pool: Pool) -> Trunk:
    """Images pass the stages, or have passed them once for all where these never learn."""
    augmenter = Augmenter(recipe.augment, dims=len(images.store.shape) - 1)
    passing = Passing(predictor, images, augmenter, pool.seed, pool.elsewhere)
    if not never_learns(recipe, predictor.network.backbone):
        return passing
    name = fingerprint(passing)
    for other in pool.kept.glob("*"):
        if other.name != name:  # of other weights, or of images that can no longer be read
            shutil.rmtree(other, ignore_errors=True)
    whole = np.arange(len(images.stored))
    return keep(passing, whole, views=pool.views - 1, folder=pool.kept / name)


def _look(model: Model, images: _Images, pool: Pool, progress: float) -> Looked:
    waiting = images.candidates(pool.waiting, pool.column)
    known = images.candidates(pool.known, pool.column)
    if not len(waiting):
        raise TableError(
            f"images must be readable to be proposed, and none of the {len(pool.waiting):,} that wait"
            " for a label is. `medgraft index` says what it can read, and why not."
        )
    both = waiting.beside(known)
    evidence = model.evidence(
        both,
        np.arange(len(waiting)),
        views=(None, *range(pool.views - 1)),
        features=True,
        known=np.arange(len(waiting), len(both)),
        progress=progress,
    )
    ids = images.index.frame["image_id"]
    return Looked(
        waiting.named(ids),
        evidence,
        pool.views,
        known.named(ids),
        (),
        len(pool.waiting) - len(waiting.images),
    )
