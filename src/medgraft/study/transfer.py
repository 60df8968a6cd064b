"""Vanilla against transfer as one experiment: arms times seeds on the same rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from medgraft.errors import ArgumentError
from medgraft.files import write_json
from medgraft.study.arms import Arm, check_arms
from medgraft.study.experiment import EXPERIMENT, INDEX, RUNS, check_out, check_seeds, keep_index
from medgraft.study.launch import Job, Outcome, launch
from medgraft.train.recipe import Recipe

VANILLA = "vanilla"


def transfer(
    index_path: Path,
    out: Path,
    recipe: Recipe,
    arms: Sequence[Arm],
    *,
    seeds: int,
    command: list[str],
    finish: Callable[[Path], object] = str,
) -> list[Outcome]:
    """Train every arm with every seed, and write down which run is which.

    All runs have the rows and the split of `out/index.parquet`. With `labels_per_class` the seed
    draws the labels, the same for all arms. Called again, it goes on where it was stopped; more
    arms or more seeds may be added.

    Args:
        index_path: Written by `medgraft index`; if it has no split, one is made with the seed of
            the recipe.
        out: Folder of the experiment: a new one, or one to go on with.
        recipe: What the arms share; its seed is the first one.
        arms: Ways of tuning; the others are compared with vanilla, or with the first.
        seeds: Runs per arm.
        command: How this was called, for the records.
        finish: Called with every finished run folder, to write its report.

    Returns:
        One outcome per run, seed after seed, so that a stopped experiment has whole seeds.

    Raises:
        ArgumentError, UnknownNameError, WeightsError: If an arm cannot be trained.
        TableError, LeakageError: If the index is not usable, or is not that of `out`.
        OutputError: If `out` holds something else.
        TrainingError: Under torchrun.
    """
    if recipe.task != "classification":
        raise ArgumentError(f"this experiment is about labels, got task {recipe.task!r}.")
    check_seeds(seeds)
    arms = sorted(
        arms, key=lambda arm: arm.strategy != VANILLA
    )  # what is compared with stands first
    check_arms(arms, recipe)
    check_out(out)
    keep_index(index_path, out / INDEX, recipe)
    numbers = range(recipe.seed, recipe.seed + seeds)
    made = {
        (arm.name, seed): Job(f"{arm.folder}-{seed}", arm.recipe(recipe, seed), arm.folder)
        for seed in numbers
        for arm in arms
    }
    outcomes = launch(list(made.values()), out / INDEX, out / RUNS, command=command, finish=finish)
    write_json(
        out / EXPERIMENT,
        {
            "reference": arms[0].name,
            "seeds": list(numbers),
            "labels_per_class": recipe.labels_per_class,
            "arms": [asdict(arm) for arm in arms],
            "runs": [
                {
                    "arm": arm,
                    "seed": seed,
                    "folder": outcome.folder.relative_to(out).as_posix(),
                    "failure": outcome.failure,
                }
                for (arm, seed), outcome in zip(made, outcomes, strict=True)
            ],
        },
    )
    return outcomes
