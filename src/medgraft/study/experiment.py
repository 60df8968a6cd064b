"""The folder of an experiment: one table of rows that all its runs read, and nothing foreign."""

from __future__ import annotations

import os
from pathlib import Path

from medgraft.errors import ArgumentError, OutputError, TableError, TrainingError
from medgraft.index import Index
from medgraft.index.split import check_split, split
from medgraft.study.launch import PLAN
from medgraft.train.recipe import BaseRecipe

EXPERIMENT, INDEX, RUNS = "experiment.json", "index.parquet", "runs"


def check_seeds(seeds: int) -> None:
    """Refuse an experiment without a seed, or with several processes.

    Raises:
        ArgumentError, TrainingError: With what to do.
    """
    if seeds < 1:
        raise ArgumentError(f"--seeds must be at least 1, got {seeds}.")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise TrainingError("an experiment is run by one process, got several. Leave torchrun out.")


def check_out(out: Path) -> None:
    """Refuse a folder that is neither new, nor empty, nor that of an experiment.

    Raises:
        OutputError: With the folder.
    """
    if out.exists() and not (out.is_dir() and ((out / INDEX).is_file() or not any(out.iterdir()))):
        raise OutputError(
            f"--out must be a new or empty folder, or that of an experiment (with {INDEX} and"
            f" {RUNS}/{PLAN}), but '{out}' holds something else. Choose another name."
        )


def keep_index(given: Path, kept: Path, recipe: BaseRecipe) -> None:
    """Save the rows with their split, once.

    Args:
        given: Written by `medgraft index`; without a split, one is made with the seed of the recipe.
        kept: Where all runs of the experiment read them.
        recipe: Says how much to split off.

    Raises:
        TableError: If other rows, or another split, were kept before.
        LeakageError: If a patient, group or identical image is in two parts.
    """
    index = Index.load(given)
    if index.frame["split"].is_null().all():
        index = split(index, test=recipe.test, val=recipe.val, seed=recipe.seed)
    check_split(index)
    if not kept.is_file():
        index.save(kept)
    elif not Index.load(kept).frame.equals(index.frame):
        raise TableError(
            f"an experiment must keep its rows and their split, but those of '{given}' are no"
            f" longer those of '{kept}'. Give the index it began with, or another --out."
        )
