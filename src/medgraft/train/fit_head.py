"""Fit a linear head to features; the strength of its penalty is chosen by cross-validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medgraft.errors import TrainingError
from medgraft.progress import track
from medgraft.train.folds import patient_folds
from medgraft.train.linear_models import PATHS, STRENGTHS
from medgraft.train.platt import log_probabilities, platt
from medgraft.train.scaling import Scaling
from medgraft.train.scores import macro_auroc
from medgraft.train.strategies import Solver

Score = dict[str, float | None]
UNKNOWN: Score = dict.fromkeys(("loss_cv", "loss_cv_spread", "auroc_cv", "auroc_cv_spread"))


@dataclass(frozen=True)
class Samples:
    """Features of images and what is known of them.

    Attributes:
        views: Shape (1 + V, N, D): of the images as they are, then of V augmented views.
        classes: Shape (N,), in [0, K); every class occurs.
        weights: Of the images, shape (N,), above zero.
        unit: What a cross-validation must not tear apart, such as the patient, shape (N,).
    """

    views: np.ndarray
    classes: np.ndarray
    weights: np.ndarray
    unit: np.ndarray

    def rows(self, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Features, classes and weights of all views of some images; an image counts as one."""
        count = len(self.views)
        features = self.views[:, chosen].reshape(-1, self.views.shape[2])
        weights = np.tile(self.weights[chosen] / count, count)
        return features, np.tile(self.classes[chosen], count), weights


@dataclass(frozen=True)
class Fitted:
    """A linear head of features as they are, and how it was chosen.

    Attributes:
        weights: Shape (K, D), or (1, D) for the logit of class 1 of two.
        bias: Shape (K,) or (1,).
        c: Inverse strength of the penalty.
        folds: Parts of the cross-validation; 1 if there was none.
        tried: A row for every C: c, loss_cv and auroc_cv with their standard deviations over the
            folds (loss_cv_spread, auroc_cv_spread). Without cross-validation one row, of c alone.
    """

    weights: np.ndarray
    bias: np.ndarray
    c: float
    folds: int
    tried: list[Score]

    def score(self) -> Score:
        """What was measured for the C that was chosen."""
        return next(dict(row) for row in self.tried if row["c"] == self.c)


def divide(
    unit: np.ndarray, classes: np.ndarray, solver: Solver, *, seed: int, names: Sequence[str]
) -> np.ndarray:
    """The fold of each image, as `patient_folds` has it; one fold is enough if C is given.

    Raises:
        TrainingError: If a class has too few patients for the cross-validation that is needed.
    """
    fold = patient_folds(unit, classes, most=solver.folds, seed=seed)
    if fold.max() or (solver.c is not None and solver.model == "logistic"):
        return fold
    units = [len(np.unique(unit[classes == k])) for k in range(len(names))]
    least = int(np.argmin(units))
    what, way = "the probabilities of an svm need", "choose linear:c=0.001"
    if solver.model == "logistic":
        what, way = "choosing C by cross-validation needs", "name C: linear:c=0.001"
    raise TrainingError(
        f"{what} two patients or more of every class, but {names[least]!r} has {units[least]} among"
        f" the training images. Label more of them, or {way}."
    )


def fit_head(samples: Samples, solver: Solver, *, seed: int, names: Sequence[str]) -> Fitted:
    """Fit a head to standardised features and fold the standardisation into its weights.

    Of the strengths on a grid, the one whose log loss, the mean over the folds, is the least is
    taken, and of equal ones the strongest penalty. Folds are of whole patients; features are standardised
    anew in each. The decision values of a support vector machine become logits by Platt scaling
    of those on left-out images, in the cross-validation as in the end.

    Args:
        samples: What to fit to.
        solver: The model and its settings.
        seed: Of the division into folds.
        names: Of the classes, for errors.

    Raises:
        TrainingError: If a class has too few patients for the cross-validation that is needed.
    """
    fold = divide(samples.unit, samples.classes, solver, seed=seed, names=names)
    count, every = int(fold.max()) + 1, np.ones(len(fold), dtype=bool)
    if count == 1 and solver.c is not None:
        weights, bias = _fit(samples, every, solver.model, solver.c)
        return Fitted(weights, bias, solver.c, 1, [{"c": solver.c, **UNKNOWN}])
    strengths = STRENGTHS[solver.model] if solver.c is None else (solver.c,)
    left_out = _left_out(samples, solver.model, strengths, fold)
    scales = [_calibration(values, samples, solver.model) for values in left_out]
    logits = [slope * values + off for values, (slope, off) in zip(left_out, scales, strict=True)]
    tried = [{"c": c, **_scores(z, samples, fold)} for c, z in zip(strengths, logits, strict=True)]
    best = int(np.argmin(np.array([row["loss_cv"] for row in tried], dtype=float)))
    weights, bias = _fit(samples, every, solver.model, strengths[best])
    slope, offset = scales[best]
    return Fitted(slope[:, None] * weights, slope * bias + offset, strengths[best], count, tried)


def _fit(
    samples: Samples, chosen: np.ndarray, model: str, c: float
) -> tuple[np.ndarray, np.ndarray]:
    features, classes, weights = samples.rows(chosen)
    scaling = Scaling.of(features)
    (found,) = PATHS[model](scaling(features), classes, weights, (c,))
    return scaling.fold(*found)


def _left_out(
    samples: Samples, model: str, strengths: Sequence[float], fold: np.ndarray
) -> list[np.ndarray]:
    """For each C, the decision values of every image by a model that has not seen its fold."""
    width = 1 if samples.classes.max() == 1 else int(samples.classes.max()) + 1
    found = [np.empty((len(fold), width)) for _ in strengths]
    for left in track(range(int(fold.max()) + 1), what="cross-validate", unit="fold"):
        features, classes, weights = samples.rows(fold != left)
        scaling = Scaling.of(features)
        unseen = scaling(samples.views[0, fold == left])
        path = PATHS[model](scaling(features), classes, weights, strengths)
        for values, (coefficients, bias) in zip(found, path, strict=True):
            values[fold == left] = unseen @ coefficients.T + bias
    return found


def _calibration(values: np.ndarray, samples: Samples, model: str) -> tuple[np.ndarray, np.ndarray]:
    if model == "svm":
        return platt(values, samples.classes, samples.weights)
    return np.ones(values.shape[1]), np.zeros(values.shape[1])


def _scores(logits: np.ndarray, samples: Samples, fold: np.ndarray) -> Score:
    """Mean and standard deviation over the folds; the AUROC over those that define it."""
    log_p = log_probabilities(logits)
    losses = -log_p[np.arange(len(log_p)), samples.classes]
    probability, truth = np.exp(log_p), np.eye(log_p.shape[1])[samples.classes]
    parts = [fold == left for left in range(int(fold.max()) + 1)]
    found = {
        "loss_cv": [float(np.average(losses[p], weights=samples.weights[p])) for p in parts],
        "auroc_cv": [
            value for p in parts if (value := macro_auroc(truth[p], probability[p])) is not None
        ],
    }
    row: Score = {}
    for name, values in found.items():
        row[name] = float(np.mean(values)) if values else None
        row[f"{name}_spread"] = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return row
