"""One run, made or gone on with: what broke becomes a sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from medgraft.errors import MedgraftError, TableError
from medgraft.files import read_json
from medgraft.runs import RunFolder
from medgraft.train.recipe import BaseRecipe
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
    try:
        make(index, run.path, recipe, command=command, resume=run.recipe.is_file())
    except MedgraftError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 (one run must not cost the others)
        return f"{type(error).__name__}: {error}"
    return None


def finish_run(run: RunFolder, finish: Finish) -> str | None:
    """Write the report of a run that has none; why that failed, None if it did not."""
    if run.report.is_file():
        return None
    try:
        finish(run.path)
    except MedgraftError as error:
        return f"its report could not be written: {error}"
    return None
