"""A list of named runs, one after another: what is finished is kept, what was stopped goes on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from medgraft.errors import ArgumentError, MedgraftError, TableError
from medgraft.files import read_json, write_json
from medgraft.runs import RunFolder
from medgraft.train.recipe import BaseRecipe
from medgraft.train.record import FINISHED
from medgraft.train.train import train

PLAN = "plan.json"
FREE = ("device", "checkpoint_seconds")  # what a run may change when it goes on


class Make(Protocol):
    """`train`, or what else makes a run folder of an index and a recipe."""

    def __call__(
        self, index_path: Path, out: Path, recipe: BaseRecipe, *, command: list[str], resume: bool
    ) -> object:
        """Make the run, or go on with it."""


@dataclass(frozen=True)
class Job:
    """A run to be made.

    Attributes:
        name: Of its folder.
        recipe: Its settings.
        kind: Jobs of one kind take about as long as each other.
        make: What makes it; `train` if not given.
    """

    name: str
    recipe: BaseRecipe
    kind: str = ""
    make: Make | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a job.

    Attributes:
        job: The job.
        folder: Its run folder.
        failure: Why there is no finished run, in a sentence; None if there is one.
    """

    job: Job
    folder: Path
    failure: str | None = None


def launch(
    jobs: Sequence[Job],
    index: Path,
    folder: Path,
    *,
    command: list[str],
    finish: Callable[[Path], object] = str,
) -> list[Outcome]:
    """Make every run that is not there yet, in order; a run that breaks costs itself only.

    Can be stopped at any moment and called again: finished runs are not repeated, one that was
    stopped half-way goes on, and one that broke is tried again. New jobs may be added.

    Args:
        jobs: What to run; their names differ.
        index: Table that all of them read.
        folder: Each run becomes a folder in it; `plan.json` beside them says what was asked.
        command: How this was called, for the records.
        finish: Called with every run folder that is finished but has no report yet.

    Returns:
        One outcome per job, in order.

    Raises:
        ArgumentError: If two jobs have one name, or a run that has begun had another recipe.
    """
    _keep_plan(jobs, folder)
    outcomes, took = [], _times(jobs, folder)
    for place, job in enumerate(jobs):
        run = RunFolder(folder / job.name)
        failure = None
        if not finished(run):
            _tell(place, jobs, time_left([j for j in jobs[place:] if _open(j, folder)], took))
            failure = _make(job, index, run, command)
        if failure is None:
            took = _times(jobs, folder)
            failure = _finish(run, finish)
        if failure is not None:
            print(f"{job.name} broke: {failure}", file=sys.stderr)  # noqa: T201
        outcomes.append(Outcome(job, run.path, failure))
    return outcomes


def finished(run: RunFolder) -> bool:
    """Whether a run ended well."""
    try:
        return bool(read_json(run.record)["status"] == FINISHED)
    except (TableError, KeyError, TypeError):
        return False


def time_left(waiting: Sequence[Job], took: Mapping[str, Sequence[float]]) -> float | None:
    """Seconds that these jobs will take, by what finished jobs of their kind took.

    Args:
        waiting: Jobs that are not finished.
        took: Seconds of finished jobs by kind.

    Returns:
        None while nothing is known; a kind without a finished job is taken for an average one.

    Examples:
        >>> from medgraft.train.recipe import Recipe
        >>> jobs = [Job("a", Recipe(), "slow"), Job("b", Recipe(), "new")]
        >>> time_left(jobs, {"slow": [10.0, 14.0], "fast": [3.0]}), time_left(jobs, {})
        (21.0, None)
    """
    known = [seconds for times in took.values() for seconds in times]
    if not known:
        return None
    average = sum(known) / len(known)
    means = {kind: sum(times) / len(times) for kind, times in took.items() if times}
    return sum(means.get(job.kind, average) for job in waiting)


def _keep_plan(jobs: Sequence[Job], folder: Path) -> None:
    """Write down what is asked; refuse it if a run has begun with something else."""
    asked = {job.name: job.recipe.model_dump(mode="json") for job in jobs}
    if len(asked) < len(jobs):
        names = [job.name for job in jobs]
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ArgumentError(f"runs must have different folders, but two are called {twice[0]!r}.")
    path = folder / PLAN
    before = read_json(path) if path.is_file() else {}
    for name, recipe in asked.items():
        began = RunFolder(folder / name).recipe.is_file()
        if not began:
            continue
        kept = before.get(name, {})
        changed = [key for key in recipe if recipe[key] != kept.get(key) and key not in FREE]
        if changed:
            raise ArgumentError(
                f"a run that has begun must keep its settings, but {', '.join(changed)} of"
                f" '{folder / name}' differ from '{path}'. Give the settings it began with, or"
                " another --out."
            )
    write_json(path, {**before, **asked})


def _open(job: Job, folder: Path) -> bool:
    return not finished(RunFolder(folder / job.name))


def _times(jobs: Sequence[Job], folder: Path) -> dict[str, list[float]]:
    """Seconds of the finished runs, by kind."""
    took: dict[str, list[float]] = {}
    for job in jobs:
        run = RunFolder(folder / job.name)
        if finished(run):
            took.setdefault(job.kind, []).append(sum(read_json(run.record)["seconds"].values()))
    return took


def _tell(place: int, jobs: Sequence[Job], seconds: float | None) -> None:
    from tqdm import tqdm

    left = "" if seconds is None else f", about {tqdm.format_interval(seconds)} left"
    print(f"run {place + 1} of {len(jobs)}: {jobs[place].name}{left}", file=sys.stderr)  # noqa: T201


def _make(job: Job, index: Path, run: RunFolder, command: list[str]) -> str | None:
    make: Make = job.make or train  # type: ignore[assignment]  # a job brings the recipe it takes
    try:
        make(index, run.path, job.recipe, command=command, resume=run.recipe.is_file())
    except MedgraftError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 (one run must not cost the others)
        return f"{type(error).__name__}: {error}"
    return None


def _finish(run: RunFolder, finish: Callable[[Path], object]) -> str | None:
    if run.report.is_file():
        return None
    try:
        finish(run.path)
    except MedgraftError as error:
        return f"its report could not be written: {error}"
    return None
