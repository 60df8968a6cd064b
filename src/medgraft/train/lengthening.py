"""Few images make short epochs: a training lasts so many steps at least, however few there are."""

from __future__ import annotations

import math

from medgraft.train.recipe import Recipe


def lengthened(recipe: Recipe, per_epoch: int, least_steps: int) -> Recipe:
    """A recipe with so many steps at least, and no more validations than it has epochs.

    Examples:
        >>> few = lengthened(Recipe(epochs=5, batch_size=16), per_epoch=2, least_steps=100)
        >>> few.epochs, few.validate_every
        (50, 320)
    """
    epochs = max(recipe.epochs, math.ceil(least_steps / per_epoch))
    if epochs == recipe.epochs or recipe.validate_every is not None:
        return recipe.model_copy(update={"epochs": epochs})
    every = epochs * per_epoch // recipe.epochs * recipe.batch_size
    return recipe.model_copy(update={"epochs": epochs, "validate_every": every})
