"""A linear layer fitted to a few labels, of which some classes may have none yet."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.special import logsumexp

from medgraft.index.target import Target
from medgraft.train.recipe import Recipe
from medgraft.train.solve import fit_layer
from medgraft.train.strategies import Solver


def fit_some(
    solver: Solver,
    views: np.ndarray,
    targets: np.ndarray,
    unit: np.ndarray,
    target: Target,
    *,
    recipe: Recipe,
) -> tuple[np.ndarray, np.ndarray]:
    """As `fit_layer`, but exclusive classes without an image are no error.

    Such a class has on average over the images the probability of the rule of succession, 1 / (N + K),
    whatever the image. Where all images are of one class, so have the others, and nothing
    depends on the image.

    Args:
        solver: As for `fit_layer`, and so are the others.
        views: Shape (1 + V, N, D).
        targets: Shape (N, K).
        unit: Shape (N,).
        target: What the K columns are.
        recipe: Says whether classes are balanced, and the seed.

    Returns:
        Weights (K, D) and biases (K,) of the logits.
    """
    seen = np.nansum(targets == 1, axis=0) > 0
    if target.kind == "independent" or seen.all():
        _, weights, bias = fit_layer(solver, views, targets, unit, target, recipe=recipe)
        return weights, bias
    classes, images = len(seen), int((~np.isnan(targets).any(axis=1)).sum())
    weights, bias = np.zeros((classes, views.shape[2])), np.zeros(classes)
    if seen.sum() > 1:
        names = tuple(name for name, there in zip(target.names, seen, strict=True) if there)
        some = replace(target, names=names, positive=None)
        _, weights[seen], bias[seen] = fit_layer(
            solver, views, targets[:, seen], unit, some, recipe=recipe
        )
    unseen = 1 / (images + classes)
    odds = np.log(unseen / (1 - unseen * (~seen).sum()))
    level = logsumexp(views[0] @ weights[seen].T + bias[seen], axis=1).mean()
    bias[~seen] = level + odds
    return weights, bias
