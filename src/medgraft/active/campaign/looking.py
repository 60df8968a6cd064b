"""What a network makes of the candidates: answers for several views of each, and features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from medgraft.active.evidence import Evidence
from medgraft.augment import Augmenter
from medgraft.index import Index
from medgraft.nets import create
from medgraft.prepare.store import Store, default_cache
from medgraft.progress import bar
from medgraft.runs import RunFolder
from medgraft.seeds import derive
from medgraft.train.batches import Placement
from medgraft.train.data import steps_of
from medgraft.train.features import pooled_features
from medgraft.train.hardware import find_device
from medgraft.train.predict import load_predictor
from medgraft.train.recipe import Recipe, load_recipe
from medgraft.train.setup import check_shape, last_stage, normalisation
from medgraft.train.supervised import Predictor, Rows, portions


@dataclass(frozen=True)
class Looked:
    """What is known of the candidates of a round.

    Attributes:
        candidates: Their `image_id`, those that could be prepared.
        evidence: Of the candidates, in that order, with features; of what is labelled as well.
        labelled: `image_id` of the labelled images, in the order of `evidence.labelled`.
        names: Classes that the network answers for; empty if none was asked.
        unreadable: Candidates that could not be prepared.
    """

    candidates: list[str]
    evidence: Evidence
    labelled: list[str]
    names: tuple[str, ...]
    unreadable: int


def look_with_run(
    run: RunFolder,
    index: Index,
    candidates: Sequence[str],
    labelled: Sequence[str],
    *,
    views: int,
    seed: int,
) -> Looked:
    """Ask a trained network about the candidates.

    Args:
        run: A finished run.
        index: Where the images lie.
        candidates: Ids of images without a label.
        labelled: Ids of images with one.
        views: Answers for each candidate: one for the image as it is, the others for augmented
            copies, with the augmentations of the run.
        seed: Of the augmentations.
    """
    recipe = load_recipe(run.recipe)
    predictor, record = load_predictor(run, recipe.device)
    bits: Literal[8, 16] = 8 if record["scale"] == 255 else 16
    store, places = _prepared(index, record["steps"], [*candidates, *labelled], bits=bits)
    rows = _Rows.of(store, places, candidates, labelled)
    augmenter = Augmenter(recipe.augment, dims=len(store.shape) - 1)
    probabilities = _answers(predictor, store, rows.candidates, augmenter, views, seed)
    features, known = _features(predictor, store, rows)
    evidence = Evidence(
        probabilities,
        independent=record["kind"] == "independent",
        features=features,
        labelled=known,
    )
    return Looked(
        rows.names, evidence, rows.labelled_names, tuple(record["labels"]), rows.unreadable
    )


def look_with_weights(
    recipe: Recipe, index: Index, candidates: Sequence[str], labelled: Sequence[str], classes: int
) -> Looked:
    """What a network that has not learnt the question yet makes of the candidates: features.

    Of the answers nothing is known, so all are alike.
    """
    steps = steps_of(index, recipe)
    store, places = _prepared(index, steps, [*candidates, *labelled])
    rows = _Rows.of(store, places, candidates, labelled)
    made = create(
        recipe.backbone,
        in_channels=store.shape[0],
        classes=classes,
        weights=recipe.weights,
        after=last_stage(recipe),
    )
    check_shape(made.network.backbone, store.shape[1:])
    device = find_device(recipe.device)
    images = Rows(store, rows.candidates, np.empty((len(rows.candidates), 0)))
    predictor = Predictor(
        made.network.to(device).eval(),
        "exclusive",
        normalisation(made.weights, images),
        Placement(device),
    )
    flat = np.full((len(rows.candidates), 1, classes), 1 / classes)
    features, known = _features(predictor, store, rows)
    evidence = Evidence(flat, independent=classes == 1, features=features, labelled=known)
    return Looked(rows.names, evidence, rows.labelled_names, (), rows.unreadable)


@dataclass(frozen=True)
class _Rows:
    """Rows of the store: of the candidates, and of what is labelled."""

    candidates: np.ndarray
    labelled: np.ndarray
    names: list[str]
    labelled_names: list[str]
    unreadable: int

    @classmethod
    def of(
        cls,
        store: Store,
        places: dict[str, int],
        candidates: Sequence[str],
        labelled: Sequence[str],
    ) -> _Rows:
        def usable(ids: Sequence[str]) -> list[str]:
            return [one for one in ids if store.rows[places[one]] >= 0]

        def rows(ids: list[str]) -> np.ndarray:
            return store.rows[[places[one] for one in ids]]

        names, known = usable(candidates), usable(labelled)
        return cls(rows(names), rows(known), names, known, len(candidates) - len(names))


def _prepared(
    index: Index, steps: Sequence[str], ids: Sequence[str], bits: Literal[8, 16] | None = None
) -> tuple[Store, dict[str, int]]:
    """The store of these images, and the row of the index of each."""
    wanted = index.frame.filter(index.frame["image_id"].is_in(list(ids)))
    frame = wanted.unique("image_id", keep="first", maintain_order=True)
    store = Store.open(index.with_frame(frame), steps, cache=default_cache(), bits=bits)
    return store, {name: place for place, name in enumerate(frame["image_id"])}


def _features(
    predictor: Predictor, store: Store, rows: _Rows
) -> tuple[np.ndarray, np.ndarray | None]:
    """Of the candidates, and of what is labelled if anything is."""
    last = predictor.network.backbone.names[-1]
    both = np.concatenate([rows.candidates, rows.labelled])
    found = pooled_features(predictor, store, both, [last])[last]
    split = len(rows.candidates)
    return found[:split], found[split:] if len(rows.labelled) else None


def _answers(
    predictor: Predictor,
    store: Store,
    rows: np.ndarray,
    augmenter: Augmenter,
    views: int,
    seed: int,
) -> np.ndarray:
    """Probabilities, shape (N, V, K); view 0 is the image as it is."""
    found = np.empty((len(rows), views, predictor.network.classes), np.float32)
    predictor.network.eval()
    shown = bar(total=len(rows) * views, what="answer", unit="view")
    with torch.inference_mode():
        for chosen in portions(store, rows):
            images = predictor.placement.images(store.gather(rows[chosen]), store.scale)
            for view in range(views):
                looked = images
                if view:
                    draw = augmenter.draw(
                        len(images),
                        images.shape[2:],
                        derive(seed, "view", view),
                        samples=np.arange(chosen.start, chosen.stop),
                    )
                    looked = augmenter.apply(images, draw)
                logits = predictor.logits(looked).double().cpu().numpy()
                found[chosen, view] = predictor.probabilities(logits)
                shown.update(len(images))
    shown.close()
    return found
