"""A discriminator by transfer: from weights over a first set of images to a second one, fed with samples."""

from __future__ import annotations

from pathlib import Path

from medgraft.errors import TableError
from medgraft.files import read_json
from medgraft.runs import RunFolder
from medgraft.train.recipe import Recipe
from medgraft.train.record import FINISHED
from medgraft.train.train import train

FIRST, SECOND = "first", "discriminator"


def discriminate(
    index_path: Path,
    out: Path,
    recipe: Recipe,
    *,
    first: Path | None = None,
    command: list[str],
) -> list[RunFolder]:
    """Train a discriminator that diagnoses, over a first set of images if there is one.

    Phase 1: the network learns the labels of the first set from the weights of the recipe. Phase 2: it
    begins with what came out, and learns to tell real images of the second set from generated ones
    and, from those that have labels, the diagnosis. Both are ordinary runs. Called again, it goes on
    where it was stopped; what is finished is not trained again.

    Args:
        index_path: The second set, which is diagnosed.
        out: Folder of both runs.
        recipe: Of both; its samples and few labels belong to the second alone.
        first: The first set; None begins phase 2 with the weights of the recipe.
        command: How this was called, for the records.

    Returns:
        The runs, in order.

    Raises:
        What `medgraft.train.train.train` raises.
    """
    found = []
    if first is not None:
        own = {"samples": None, "samples_as": "generated", "samples_weight": 1.0}
        plain = recipe.model_copy(update={**own, "labels_per_class": None, "positive": None})
        found.append(_made(first, out / FIRST, plain, command))
        recipe = recipe.model_copy(update={"weights": str(out / FIRST)})
    found.append(_made(index_path, out / SECOND, recipe, command))
    return found


def _made(index_path: Path, folder: Path, recipe: Recipe, command: list[str]) -> RunFolder:
    """The finished run of a folder, trained or gone on with as far as is needed."""
    run = RunFolder(folder)
    if _finished(run):
        return run
    train(index_path, folder, recipe, command=command, resume=run.recipe.is_file())
    return run


def _finished(run: RunFolder) -> bool:
    try:
        return bool(read_json(run.record)["status"] == FINISHED)
    except (TableError, KeyError):
        return False
