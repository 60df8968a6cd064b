"""What is a pretraining worth? Tasks times labels times seeds on the same rows, as one experiment."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from medgraft.errors import ArgumentError, ReadError, TableError, UnknownNameError
from medgraft.files import write_json
from medgraft.index import Index
from medgraft.index.target import Target
from medgraft.prepare import load, pipeline
from medgraft.pretext.discovery.job import discover
from medgraft.pretext.discovery.settings import Settings
from medgraft.pretext.pretrain import check_semantic, pretrain
from medgraft.pretext.recipe import Pretraining
from medgraft.pretext.tasks import find_task
from medgraft.spec import first_problem, parse
from medgraft.study.experiment import EXPERIMENT, INDEX, RUNS, check_out, check_seeds, keep_index
from medgraft.study.launch import Job, Outcome, launch
from medgraft.study.starts import SHARED, Start
from medgraft.train.batches import even_batches
from medgraft.train.data import few_labels, steps_of
from medgraft.train.lengthening import lengthened
from medgraft.train.recipe import Recipe
from medgraft.train.segmentation.data import few_masks
from medgraft.train.setup import check_choices
from medgraft.train.slices import Slicing


@dataclass(frozen=True)
class Experiment:
    """What is asked.

    Attributes:
        starts: What tunings begin with; the others are compared with the first.
        labels: Numbers of labelled training images (of each class, or with a mask), rising.
        seeds: Tunings of each start with each number of labels.
        pretrainings: Of each task; tunings take turns with them.
        tuning: Recipe of all tunings; its seed is the first.
        pretraining: Settings of all pretrainings.
        discovery: Settings of all discoveries, for starts that name patterns.
        least_steps: Steps that each tuning has at least, however few its labels.
    """

    starts: Sequence[Start]
    labels: Sequence[int]
    seeds: int
    pretrainings: int
    tuning: Recipe
    pretraining: Pretraining
    discovery: Settings
    least_steps: int = 100

    @property
    def numbers(self) -> range:
        """The seeds."""
        return range(self.tuning.seed, self.tuning.seed + self.seeds)

    def donor(self, seed: int) -> int:
        """Seed of the pretraining whose weights a tuning begins with."""
        return self.tuning.seed + (seed - self.tuning.seed) % self.pretrainings


def read_discovery(text: str, tuning: Recipe) -> Settings:
    """Settings of discoveries, from ``key=value,key=value``; channels and window as of the tuning.

    Raises:
        ArgumentError: If a setting is unknown, out of range, or that of the tuning.

    Examples:
        >>> found = read_discovery("patterns=8,crop=64", Recipe(channels=3))
        >>> found.patterns, found.crop, found.channels
        (8, (64,), 3)
    """
    _, own = parse(f"discovery:{text}")
    if isinstance(own.get("crop"), int):
        own["crop"] = (own["crop"],)
    shared = {"channels": tuning.channels or 1, "window": tuning.window, "device": tuning.device}
    if given := [key for key in (*shared, "seed") if key in own]:
        raise ArgumentError(
            f"{', '.join(given)} of a discovery must be that of the tuning; give it as a flag and"
            " not in --discovery."
        )
    try:
        return Settings(**{**shared, **own})
    except ValidationError as error:
        raise ArgumentError(f"{first_problem(error, Settings)}, in --discovery.") from error


def study_pretraining(
    index_path: Path,
    out: Path,
    asked: Experiment,
    *,
    command: list[str],
    finish: Callable[[Path], object] = str,
) -> list[Outcome]:
    """Pretrain with every task, tune with every number of labels, and write down which run is which.

    All runs have the rows and the split of `out/index.parquet`; pretrainings learn from its whole
    training part without labels. The seed of a tuning draws its labels, the same for all starts.
    Called again, it goes on where it was stopped; more starts, labels or seeds may be added.

    Args:
        index_path: Written by `medgraft index`; if it has no split, one is made with the seed of
            the tuning.
        out: Folder of the experiment: a new one, or one to go on with.
        asked: What to run.
        command: How this was called, for the records.
        finish: Called with every finished run folder, to write its report.

    Returns:
        One outcome per run, seed after seed, so that a stopped experiment has whole seeds.

    Raises:
        ArgumentError, UnknownNameError, WeightsError: If something cannot be trained.
        TableError, LeakageError: If the index is not usable, is not that of `out`, or has too few
            labels.
        OutputError: If `out` holds something else.
        TrainingError: Under torchrun.
    """
    check_seeds(asked.seeds)
    _check(asked)
    check_out(out)
    keep_index(index_path, out / INDEX, asked.tuning)
    index = Index.load(out / INDEX)
    each = _pictures(asked.tuning, index)
    steps = {
        labels: _per_epoch(asked.tuning, index, labels, each) for labels in reversed(asked.labels)
    }
    if any(start.semantic for start in asked.starts):
        for seed in asked.numbers[: asked.pretrainings]:
            _discover(out, seed, asked, command)
    jobs = _jobs(out, asked, steps)
    outcomes = launch(list(jobs.values()), out / INDEX, out / RUNS, command=command, finish=finish)
    _write(out, asked, dict(zip(jobs, outcomes, strict=True)))
    return outcomes


Key = tuple[str, int, int]  # start, labels (0: a pretraining), seed


def _jobs(out: Path, asked: Experiment, per_epoch: Mapping[int, int]) -> dict[Key, Job]:
    """Each pretraining before the tunings that begin with it."""
    found: dict[Key, Job] = {}
    for seed in asked.numbers:
        for start in asked.starts:
            if start.task is not None and asked.donor(seed) == seed:
                found[start.name, 0, seed] = _pretraining(out, asked, start, seed)
        for labels in asked.labels:
            for start in asked.starts:
                job = _tuning(out, asked, start, labels, seed, per_epoch[labels])
                found[start.name, labels, seed] = job
    return found


def _pretraining(out: Path, asked: Experiment, start: Start, seed: int) -> Job:
    recipe = start.recipe(asked.pretraining, seed, str(patterns(out, seed)))
    name = pretrained(start, seed)
    return Job(name, recipe, f"pretrained {start.folder}", make=pretrain)  # type: ignore[arg-type]


def _tuning(
    out: Path, asked: Experiment, start: Start, labels: int, seed: int, per_epoch: int
) -> Job:
    own = {"labels_per_class": labels, "seed": seed}
    if start.task is not None:
        own["weights"] = str(out / RUNS / pretrained(start, asked.donor(seed)))  # type: ignore[assignment]
    recipe = lengthened(asked.tuning.model_copy(update=own), per_epoch, asked.least_steps)
    return Job(f"{start.folder}-{labels}-{seed}", recipe, f"{labels} labels")


def pretrained(start: Start, seed: int) -> str:
    """Name of the run folder of a pretraining."""
    return f"pretrained-{start.folder}-{seed}"


def patterns(out: Path, seed: int) -> Path:
    """Folder of a discovery."""
    return out / f"patterns-{seed}"


def _discover(out: Path, seed: int, asked: Experiment, command: list[str]) -> None:
    """Find the patterns that pretrainings of a seed name, unless they are there already."""
    folder = patterns(out, seed)
    if folder.is_dir():
        return
    begun = folder.with_suffix(".part")
    shutil.rmtree(begun, ignore_errors=True)  # of an experiment that was stopped meanwhile
    settings = asked.discovery.model_copy(update={"seed": seed})
    discover(out / INDEX, begun, settings, command=command)
    begun.rename(folder)


# --- what cannot be done, before anything is ------------------------------------------------


def _check(asked: Experiment) -> None:
    if not 1 <= asked.pretrainings <= asked.seeds:
        raise ArgumentError(
            f"--pretrainings must be at least 1 and at most the {asked.seeds} --seeds, got"
            f" {asked.pretrainings}."
        )
    if asked.least_steps < 1:
        raise ArgumentError(f"--least-steps must be at least 1, got {asked.least_steps}.")
    labels = list(asked.labels)
    if not labels or min(labels) < 1 or labels != sorted(set(labels)):
        raise ArgumentError(f"--labels must be rising numbers from 1, got {labels}.")
    tuning = asked.tuning
    if tuning.labels_per_class is not None or tuning.weights != "none":
        raise ArgumentError(
            "the experiment sets labels and weights itself, got labels_per_class"
            f" {tuning.labels_per_class} and weights {tuning.weights!r}. Give --labels and --tasks."
        )
    check_choices(tuning)
    for start in asked.starts:
        if start.task is None:
            continue
        recipe = start.recipe(asked.pretraining, tuning.seed, "patterns")
        try:
            check_semantic(recipe, find_task(recipe.task, as_published=recipe.as_published))
        except (ArgumentError, UnknownNameError) as error:
            raise type(error)(f"{error} In start {start.name!r}.") from error
    differing = [key for key in SHARED if getattr(asked.pretraining, key) != getattr(tuning, key)]
    assert not differing, f"a pretraining has {differing} from the tuning"


def _per_epoch(tuning: Recipe, index: Index, labels: int, each: int) -> int:
    """Steps of an epoch with so many labels, which must be there, or hours later runs would break."""
    recipe = tuning.model_copy(update={"labels_per_class": labels})
    if recipe.task == "segmentation":
        few = few_masks(index, recipe)
    else:
        few = few_labels(index, Target.of(index, positive=recipe.positive), recipe)
    images = few.frame["split"].to_list().count("train")
    return even_batches(images * each * recipe.patches_per_image, recipe.batch_size)


def _pictures(tuning: Recipe, index: Index) -> int:
    """How many pictures a network sees of each image: 1, or the slices of a prepared volume."""
    slicing = Slicing.of(tuning)
    if slicing is None:
        return 1
    steps = pipeline(steps_of(index, tuning))  # they give all volumes one shape
    for path in index.frame["path"]:
        try:
            return slicing.each(load(index.file(path), steps).shape)
        except ReadError:
            continue
    raise TableError(f"an index must have a file that can be read, and none of {len(index)} can.")


# --- what is written -------------------------------------------------------------------------


def _write(out: Path, asked: Experiment, outcomes: dict[Key, Outcome]) -> None:
    write_json(
        out / EXPERIMENT,
        {
            "task": asked.tuning.task,
            "labels": list(asked.labels),
            "seeds": list(asked.numbers),
            "pretrainings": asked.pretrainings,
            "least_steps": asked.least_steps,
            "starts": [
                {
                    "name": start.name,
                    "task": start.task,
                    "plain": start.plain,
                    "settings": start.settings,
                }
                for start in asked.starts
            ],
            "runs": [
                {
                    "start": start,
                    "labels": labels,
                    "seed": seed,
                    "folder": outcome.folder.relative_to(out).as_posix(),
                    "failure": outcome.failure,
                }
                for (start, labels, seed), outcome in outcomes.items()
            ],
        },
    )
