"""A phase that is solved and not stepped: a linear head, fitted to the features before it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from medgraft.augment import Augmenter
from medgraft.errors import ArgumentError, TrainingError
from medgraft.index.target import Target
from medgraft.index.units import units
from medgraft.progress import track
from medgraft.train.batches import Batches
from medgraft.train.data import Data, class_weights
from medgraft.train.features import pooled_features
from medgraft.train.fit_head import Fitted, Samples, divide, fit_head
from medgraft.train.recipe import Recipe
from medgraft.train.strategies import Solver
from medgraft.train.supervised import Predictor, Rows

WHOLE = "classes"  # what the one model of exclusive classes is called


@dataclass(frozen=True)
class Solved:
    """What was fitted, for the record.

    Attributes:
        fitted: By label; the whole is called "classes" if they are exclusive.
        tried: A row for every C that was tried, see `Fitted`; with its label, if there are several.
        notes: Sentences that a reader of the report must know.
    """

    fitted: dict[str, dict[str, Any]]
    tried: list[dict[str, Any]]
    notes: tuple[str, ...]


def check_solvable(solver: Solver, data: Data, batches: Batches, seed: int) -> None:
    """Find now what would stop `solve`, and not after a run has begun.

    Raises:
        ArgumentError: If views would mix labels.
        TrainingError: If a class has no images, or too few patients.
    """
    if solver.views:
        _check_keeps_labels(batches.augmenter)
    rows = data.rows("train")
    unit = _units(data, rows)
    for one in _problems(rows.targets, data.target, balanced=False):
        divide(unit[one.known], one.classes, solver, seed=seed, names=one.names)


def solve(
    solver: Solver, predictor: Predictor, data: Data, batches: Batches, recipe: Recipe
) -> Solved:
    """Fit the head of a network to the averaged maps of its last stage, and set its weights.

    Exclusive classes are one model; independent labels are one each, fitted to the images whose
    label is known. Features are computed in float32.

    Args:
        solver: The model and its settings.
        predictor: The network, whose head is a linear layer.
        data: Where the training images and their patients are.
        batches: The same images with the augmentation that makes views.
        recipe: Says whether classes are balanced, and the seed.

    Raises:
        ArgumentError, TrainingError: As `check_solvable`.
    """
    rows = data.rows("train")
    unit = _units(data, rows)
    views = _views(predictor, rows, batches, solver.views)
    found, weights, bias = fit_layer(solver, views, rows.targets, unit, data.target, recipe=recipe)
    set_layer(predictor.network.head, weights, bias)
    return Solved(
        {name: _said(one, solver) for name, one in found.items()},
        [
            {**({"label": name} if len(found) > 1 else {}), **row}
            for name, one in found.items()
            for row in one.tried
        ],
        tuple(_notes(found, solver, data)),
    )


def _units(data: Data, rows: Rows) -> np.ndarray:
    """Of each row what must not be parted, shape (N,)."""
    return np.repeat(units(data.index.frame[data.places("train")]), rows.each)


def fit_layer(
    solver: Solver,
    views: np.ndarray,
    targets: np.ndarray,
    unit: np.ndarray,
    target: Target,
    *,
    recipe: Recipe,
) -> tuple[dict[str, Fitted], np.ndarray, np.ndarray]:
    """A linear layer of features, fitted to labels.

    Args:
        solver: The model and its settings.
        views: Features, float32, shape (1 + V, N, D): as the images are, then augmented.
        targets: Shape (N, K), NaN where unknown.
        unit: What a cross-validation must not tear apart, shape (N,).
        target: What the K columns are.
        recipe: Says whether classes are balanced, and the seed.

    Returns:
        What was fitted, see `Solved`; weights (K, D) and biases (K,) of the logits.

    Raises:
        TrainingError: If a class has no images, or too few patients.
    """
    found: dict[str, Fitted] = {}
    for one in _problems(targets, target, balanced=recipe.class_weights == "balanced"):
        samples = Samples(views[:, one.known], one.classes, one.weights, unit[one.known])
        found[one.name] = fit_head(samples, solver, seed=recipe.seed, names=one.names)
    if target.kind == "exclusive":
        return found, *_softmax(found[WHOLE])
    pairs = zip(target.names, targets.T, strict=True)
    return found, *_sigmoids([found.get(name, truth) for name, truth in pairs], views.shape[2])


# --- features --------------------------------------------------------------------------


def _views(predictor: Predictor, rows: Rows, batches: Batches, count: int) -> np.ndarray:
    """Features of the images as they are, then of augmented views: float32, (1 + count, N, D)."""
    exact = replace(predictor, autocast=False)
    last = predictor.network.backbone.names[-1]
    plain = pooled_features(exact, rows.store, rows.rows, [last])[last]
    views = np.empty((1 + count, *plain.shape), np.float32)
    views[0] = plain
    for view in range(count):
        _add_view(exact, batches, view, views[1 + view])
    return views


def _add_view(predictor: Predictor, batches: Batches, view: int, found: np.ndarray) -> None:
    """What an epoch would show: every image once, augmented."""
    alone = replace(batches, rank=0, world=1)
    with torch.inference_mode():
        for batch in track(alone.epoch(view), total=alone.per_epoch, what="view", unit="batch"):
            x = predictor.normalise(batch.images)
            found[batch.places] = predictor.network.features(x).cpu().numpy()


def _check_keeps_labels(augmenter: Augmenter | None) -> None:
    if augmenter is None or augmenter.mixes:
        what = "there is none" if augmenter is None else "this one mixes them"
        raise ArgumentError(
            f"views need an augmentation that keeps labels, but {what}. Pass another --augment, or"
            " views=0."
        )


# --- what is fitted ---------------------------------------------------------------------


@dataclass(frozen=True)
class _Problem:
    """One model: which images it is fitted to, their classes and weights."""

    name: str
    names: tuple[str, ...]
    known: np.ndarray
    classes: np.ndarray
    weights: np.ndarray


def _problems(targets: np.ndarray, target: Target, *, balanced: bool) -> Iterator[_Problem]:
    factors = class_weights(targets, kind=target.kind, balanced=balanced).astype(np.float64)
    if target.kind == "exclusive":
        known = ~np.isnan(targets).any(axis=1)
        classes = targets[known].argmax(axis=1)
        counts = np.bincount(classes, minlength=len(target.names))
        if not counts.all():
            raise TrainingError(
                "a head can be fitted to classes that have training images, but"
                f" {target.names[int(counts.argmin())]!r} has none. Label some, or leave the class"
                " out of the index."
            )
        yield _Problem(WHOLE, tuple(target.names), known, classes, factors[classes])
        return
    for name, truth, factor in zip(target.names, targets.T, factors, strict=True):
        known = ~np.isnan(truth)
        classes = truth[known].astype(np.int64)
        if len(np.unique(classes)) == 2:
            weights = np.where(classes == 1, factor, 1.0)
            yield _Problem(name, (f"{name} = 0", f"{name} = 1"), known, classes, weights)


# --- the layer --------------------------------------------------------------------------


def _softmax(fitted: Fitted) -> tuple[np.ndarray, np.ndarray]:
    """Weights (K, D) and biases (K,) of logits; of two classes each has half of the difference."""
    weights, bias = fitted.weights, fitted.bias
    if len(bias) > 1:
        return weights, bias
    return np.concatenate([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2


def _sigmoids(labels: list[Fitted | np.ndarray], width: int) -> tuple[np.ndarray, np.ndarray]:
    """A row per label; one that was not fitted, with its truth (N,) instead, is its frequency."""
    weights, bias = np.zeros((len(labels), width)), np.zeros(len(labels))
    for place, one in enumerate(labels):
        if isinstance(one, Fitted):
            weights[place], bias[place] = one.weights[0], one.bias[0]
        else:  # by the rule of succession, since 0 and 1 have no logit
            bias[place] = np.log(((one == 1).sum() + 1) / ((one == 0).sum() + 1))
    return weights, bias


def set_layer(head: nn.Module, weights: np.ndarray, bias: np.ndarray) -> None:
    """Set the layer of a linear head: weights (K, D) and biases (K,)."""
    with torch.no_grad():
        for name, values in (("fc.weight", weights), ("fc.bias", bias)):
            head.get_parameter(name).copy_(torch.from_numpy(values))


# --- the record -------------------------------------------------------------------------


def _said(fitted: Fitted, solver: Solver) -> dict[str, Any]:
    return {
        "model": solver.model,
        "c": fitted.c,
        "folds": fitted.folds,
        "views": solver.views,
        **fitted.score(),
    }


def _notes(found: dict[str, Fitted], solver: Solver, data: Data) -> Iterator[str]:
    if not data.index.patients_known:
        yield "Patients are not known: the cross-validation that chose C was divided by image."
    for name, fitted in found.items():
        what = "The head" if name == WHOLE else f"The model of {name}"
        if fitted.folds == 1:
            yield f"{what} was not cross-validated, for want of patients: C is as given."
        elif fitted.folds < solver.folds:
            yield f"{what} was cross-validated in {fitted.folds} folds, for want of patients."
    if data.target.kind == "independent":
        for name in data.target.names:
            if name not in found:
                yield (
                    f"All training images agree on {name}: its probability is their frequency, the"
                    " same for every image."
                )
