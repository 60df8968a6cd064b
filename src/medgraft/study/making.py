"""One run, made or gone on with: what broke becomes a sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from medgraft.errors import MedgraftError, TableError
from medgraft.files import read_json
from medgraft.runs import RunFolder
from medgraft.study.grid import MACHINE
from medgraft.train.recipe import BaseRecipe, load_recipe
from medgraft.train.record import FINISHED


class Make(Protocol):
    """`train`, or what else makes a run folder of an index and a recipe."""

    def __call__(
        self, index_path: Path, out: Path, recipe: BaseRecipe, *, command: list[str], resume: bool
    ) -> object:
        """Make the run, or go on with it."""


Finish = Callable[[Path], object]
"""What is done with the folder of a finished run, such as writing its report."""


def finished(run: RunFolder) -> bool:
    """Whether a run ended well."""
    try:
        return bool(read_json(run.record)["status"] == FINISHED)
    except (TableError, KeyError, TypeError):
        return False


def make_run(
    make: Make, index: Path, run: RunFolder, recipe: BaseRecipe, command: list[str]
) -> str | None:
    """Make a run, or go on with it where it was stopped; why that failed, None if it did not."""
    resume = run.recipe.is_file()
    try:
        if resume:
            recipe = as_begun(run, recipe)
        make(index, run.path, recipe, command=command, resume=resume)
    except MedgraftError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 (one run must not cost the others)
        return f"{type(error).__name__}: {error}"
    return None


def as_begun(run: RunFolder, recipe: BaseRecipe) -> BaseRecipe:
    """The recipe with what a run was begun on, such as its threads.

    A study may go on elsewhere or with other workers; a run that goes on ends in the same bits only
    as it began.
    """
    before = load_recipe(run.recipe, type(recipe))
    kept = {name: getattr(before, name) for name in MACHINE if name in type(recipe).model_fields}
    return recipe.model_copy(update=kept)


def finish_run(run: RunFolder, finish: Finish) -> str | None:
    """Write the report of a run that has none; why that failed, None if it did not."""
    if run.report.is_file():
        return None
    try:
        finish(run.path)
    except MedgraftError as error:
        return f"its report could not be written: {error}"
    return None
