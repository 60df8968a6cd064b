"""What runs of any kind share: how they begin, go on where they were stopped, and are written down."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import torch

from medgraft.errors import OutputError, TableError, TrainingError
from medgraft.files import new_folder, read_json, sha256, write_text
from medgraft.index import Index
from medgraft.nets.weights import WeightFile
from medgraft.prepare.store import default_cache
from medgraft.runs import RunFolder
from medgraft.train.hardware import Compute, choose
from medgraft.train.processes import Processes
from medgraft.train.recipe import LoopRecipe, load_recipe, save_recipe
from medgraft.train.record import FINISHED, STOPPED, Record

FREE = ("device", "checkpoint_seconds")  # what a resumed run may change


def open_run(
    run: RunFolder,
    recipe: LoopRecipe,
    command: list[str],
    *,
    resume: bool,
    processes: Processes,
) -> Record:
    """The record of a run that begins or goes on, in its folder, with the threads it asks for.

    Raises:
        OutputError: As of `open_folder`.
    """
    open_folder(run, resume=resume, processes=processes)
    if recipe.threads is not None:
        torch.set_num_threads(recipe.threads)
    record = Record(run.record, command, recipe.seed)
    if resume:
        record.go_on()
    return record


def open_folder(run: RunFolder, *, resume: bool, processes: Processes) -> None:
    """Make the folder of a run, or see that it holds one that can go on.

    Raises:
        OutputError: If the folder is in use, or there is nothing to resume.
    """
    if resume:
        if not run.recipe.is_file():
            raise OutputError(
                f"--resume needs a run that was stopped, and '{run.path}' holds none."
                " Leave --resume out; images that were prepared are not prepared again."
            )
        if _status(run) == FINISHED:
            raise OutputError(
                f"--resume needs a run that was stopped, and '{run.path}' is finished."
                f" `medgraft report {run.path}` writes its page again."
            )
    elif processes.first:
        new_folder(run.path)
    processes.wait()


def _status(run: RunFolder) -> str | None:
    """What the run that is gone on with says of itself; None if it was killed early."""
    try:
        return str(read_json(run.record)["status"])
    except (TableError, KeyError):
        return None


@contextmanager
def marked_if_stopped(run: RunFolder, save: Callable[[str], object]) -> Iterator[None]:
    """Have the record say so if the run ends early.

    A run that had not begun leaves an empty folder: the same command works again.
    """
    try:
        yield
    except BaseException:
        if run.recipe.is_file():
            with suppress(OutputError):  # the disk may be full
                save(STOPPED)
        raise


def circumstances(
    index_path: Path, weights: WeightFile | None, compute: Compute, processes: Processes
) -> dict[str, Any]:
    """What a run begins from and how it computes, for its record."""
    return {
        "inputs": {"index": sha256(index_path), "weights": weights.hash if weights else None},
        "compute": {
            "precision": compute.precision,
            "memory_format": compute.memory_format,
            "why": compute.why,
            "device": str(compute.device),
            "processes": processes.world,
        },
    }


def write_beginning(
    run: RunFolder, recipe: LoopRecipe, index: Index, rejects: pl.DataFrame
) -> None:
    """Write what a run is made of; from here on it can be resumed."""
    save_recipe(recipe, run.recipe)
    index.save(run.index)
    write_text(run.rejects, rejects.write_csv())


def agree(device: torch.device, recipe: LoopRecipe, processes: Processes, *, dims: int) -> Compute:
    """How to compute with a network of so many axes: the first process chooses, and all compute alike."""
    compute = Compute(device, "float32", "contiguous", "as the first does")
    if processes.first:
        compute = choose(device, recipe.precision, recipe.memory_format, default_cache(), dims=dims)
    short = processes.of_first(compute.precision == "bfloat16", device)
    last = processes.of_first(compute.memory_format == "channels_last", device)
    return replace(
        compute,
        precision="bfloat16" if short else "float32",
        memory_format="channels_last" if last else "contiguous",
    )


def write_history(run: RunFolder, history: Sequence[Mapping[str, Any]]) -> None:
    """Write history.csv: a row per validation, with every column that any row has."""
    # of all rows: columns that a later phase adds are not among the first hundred
    table = pl.DataFrame(history, infer_schema_length=None)
    write_text(run.history, table.write_csv())


def check_same(run: RunFolder, recipe: LoopRecipe, index: Index, index_path: Path) -> None:
    """Refuse to go on with a run under another recipe or with other rows.

    Args:
        run: What was stopped.
        recipe: Settings, with everything that was left open filled in.
        index: The rows that can be used.
        index_path: Where they come from, for the message.

    Raises:
        TrainingError: With what differs.
    """
    before = load_recipe(run.recipe, type(recipe))
    changed = [
        key
        for key, value in before.model_dump().items()
        if value != getattr(recipe, key) and key not in FREE
    ]
    if changed:
        raise TrainingError(
            "a resumed run must keep its recipe, but these differ:"
            f" {', '.join(changed)}. Leave the flags out, or start a new run with another --out."
        )
    if run.index.is_file() and not Index.load(run.index).frame.equals(index.frame):
        raise TrainingError(
            f"a resumed run must keep its rows, but those of '{index_path}' that can be"
            f" used are no longer those of '{run.index}'. Start a new run with another"
            " --out."
        )
