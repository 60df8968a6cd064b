"""Do generated images help? Arms times labels times seeds on the same rows, as one experiment."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from medgraft.errors import ArgumentError
from medgraft.files import write_json
from medgraft.generate.generator import load_generator
from medgraft.generate.job import check_choices as check_generating
from medgraft.generate.job import completed, train_generator
from medgraft.generate.recipe import Generating
from medgraft.generate.samples import TABLE, write_samples
from medgraft.generate.screening import name_samples, screen
from medgraft.index import Index
from medgraft.index.target import Target
from medgraft.registry import unknown_name
from medgraft.runs import RunFolder
from medgraft.seeds import derive
from medgraft.spec import parse
from medgraft.study.experiment import EXPERIMENT, INDEX, RUNS, check_out, check_seeds, keep_index
from medgraft.study.launch import Job, Outcome, launch
from medgraft.study.making import Make
from medgraft.study.synthetic_arms import NONE, Arm, folder_name, trained
from medgraft.train.batches import even_batches
from medgraft.train.data import few_labels
from medgraft.train.donor import check_learnt
from medgraft.train.recipe import Recipe, check_recipe
from medgraft.train.semi_supervised import check_kinds
from medgraft.train.setup import check_choices
from medgraft.train.train import train

SAMPLES = "samples"  # folder of what was drawn and named
SIDES = (32, 64, 128)  # that can be generated
# The images: a generator has them from the training that it is for.
SHARED = ("channels", "window", "preset", "steps", "test", "val", "seed", "threads", "device")


@dataclass(frozen=True)
class Experiment:
    """What is asked.

    Attributes:
        arms: Ways of being helped; the others are compared with the first, which is not.
        labels: Labelled training images of each class, rising.
        seeds: Trainings of each arm with each number of labels.
        generators: Trainings of each model; the others take turns with them.
        samples: Images that each generator draws.
        keep: Share of them that a screening keeps, in (0, 1].
        tuning: Recipe of all trainings; its seed is the first.
        generating: Recipe of all generators, but for the model.
        least_steps: Steps that each training has at least; all arms have as many.
    """

    arms: Sequence[Arm]
    labels: Sequence[int]
    seeds: int
    generators: int
    samples: int
    keep: float
    tuning: Recipe
    generating: Generating
    least_steps: int = 100

    @property
    def numbers(self) -> range:
        """The seeds."""
        return range(self.tuning.seed, self.tuning.seed + self.seeds)

    def donor(self, seed: int) -> int:
        """Seed of the generator that helps a training."""
        return self.tuning.seed + (seed - self.tuning.seed) % self.generators

    @property
    def models(self) -> list[str]:
        """What is generated with, each once."""
        return list(dict.fromkeys(arm.model for arm in self.arms if arm.model is not None))


def read_generating(text: str, tuning: Recipe) -> Generating:
    """The recipe of all generators, from ``key=value,key=value``; the images as of the tuning.

    Raises:
        ArgumentError: If a key is unknown, or that of the tuning or of the arms.

    Examples:
        >>> found = read_generating("epochs=5,batch_size=16", Recipe(size=64, channels=1))
        >>> found.size, found.channels, found.epochs
        (64, 1, 5)
    """
    _, own = parse(f"generating:{text}")
    known = [key for key in Generating.model_fields if key not in (*SHARED, "model", "conditional")]
    for key in own:
        if key not in known:
            raise ArgumentError(
                f"{unknown_name('setting of generators', key, known)} In --generating; the model"
                " stands in --arms, and what concerns the images is a flag."
            )
    shared: dict[str, Any] = {key: getattr(tuning, key) for key in SHARED}
    if tuning.size in SIDES:
        shared["size"] = tuning.size
    return check_recipe({**shared, **own}, Generating, where="--generating")


def study_synthetic(
    index_path: Path,
    out: Path,
    asked: Experiment,
    *,
    command: list[str],
    finish: Callable[[Path], object] = str,
) -> list[Outcome]:
    """Train generators, draw, and train every arm with every number of labels.

    All runs have the rows and the split of `out/index.parquet`. Generators learn from its whole training
    part without labels. The seed of a training draws its labels, the same for all arms. Samples of
    `augment` get the labels that the run `none` of the same labels and seed gives them; with
    `+screen` a discriminator of the same labels and seed names them and keeps the best. So no arm
    sees a label that `none` does not see. Called again, it goes on where it was stopped; more arms,
    labels or seeds may be added.

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
    for run in filter(None, map(trained, asked.models)):
        check_learnt(run.index, index, who=f"the generator of '{run.path}'")
    check_kinds(Target.of(index, positive=asked.tuning.positive), None)
    images = {labels: _images(asked.tuning, index, labels) for labels in reversed(asked.labels)}
    jobs = _Jobs(out, asked, images, command).all()
    outcomes = launch(list(jobs.values()), out / INDEX, out / RUNS, command=command, finish=finish)
    _write(out, asked, dict(zip(jobs, outcomes, strict=True)))
    return outcomes


Key = tuple[
    str, int, int
]  # arm or "generator MODEL" or "discriminator MODEL", labels (0: a generator), seed


@dataclass(frozen=True)
class _Jobs:
    """Every run after those that it needs."""

    out: Path
    asked: Experiment
    images: Mapping[int, int]  # labelled ones by labels of each class
    command: list[str]

    def all(self) -> dict[Key, Job]:
        found: dict[Key, Job] = {}
        for seed in self.asked.numbers:
            for model in self.asked.models:
                if trained(model) is None and self.asked.donor(seed) == seed:
                    found[f"generator {model}", 0, seed] = self._generator(model, seed)
            for labels in self.asked.labels:
                for arm in self._with_judges():
                    found[arm.name, labels, seed] = self._training(arm, labels, seed)
        return found

    def _with_judges(self) -> list[Arm]:
        """The arms, and before those that are screened the discriminators that no arm asks for."""
        given = {arm.model: arm for arm in self.asked.arms if arm.kind == "semi_supervised"}
        needed = {arm.model for arm in self.asked.arms if arm.screened} - set(given)
        more = [
            Arm(f"discriminator {model}", "semi_supervised", model)
            for model in self.asked.models
            if model in needed
        ]
        order = {"none": 0, "semi_supervised": 1, "augment": 2}
        return sorted([*self.asked.arms, *more], key=lambda arm: order[arm.kind])

    def _judge(self, model: str | None) -> Arm:
        return next(
            arm
            for arm in self._with_judges()
            if (arm.kind, arm.model) == ("semi_supervised", model)
        )

    def _generator(self, model: str, seed: int) -> Job:
        recipe = completed(self.asked.generating.model_copy(update={"model": model, "seed": seed}))
        return Job(_generator_name(model, seed), recipe, model, make=train_generator)  # type: ignore[arg-type]

    def _training(self, arm: Arm, labels: int, seed: int) -> Job:
        own: dict[str, Any] = {"labels_per_class": labels, "seed": seed}
        images, ready = self.images[labels], None
        if arm.kind == "semi_supervised":
            own["samples"] = str(self._drawn(arm.model, seed) / TABLE)
            ready = partial(self._draw, arm.model, seed)
        elif arm.kind == "augment":
            own |= {
                "samples": str(self._named(arm, labels, seed) / TABLE),
                "samples_as": "labelled",
            }
            images += round(self.asked.samples * (self.asked.keep if arm.screened else 1))
            ready = partial(self._name, arm, labels, seed)
        recipe = lasting(
            self.asked.tuning.model_copy(update=own),
            even_batches(images, self.asked.tuning.batch_size),
            self._steps(labels),
        )
        make = None if ready is None else _after(ready)
        return Job(_training_name(arm, labels, seed), recipe, f"{arm.kind}, {labels} labels", make)

    def _steps(self, labels: int) -> int:
        per_epoch = even_batches(self.images[labels], self.asked.tuning.batch_size)
        return max(self.asked.least_steps, self.asked.tuning.epochs * per_epoch)

    def _drawn(self, model: str | None, seed: int) -> Path:
        return self.out / SAMPLES / _generator_name(str(model), self.asked.donor(seed))

    def _named(self, arm: Arm, labels: int, seed: int) -> Path:
        return self.out / SAMPLES / _training_name(arm, labels, seed)

    def _draw(self, model: str | None, seed: int) -> None:
        """Draw the samples of a generator, unless they are there."""
        own = self.out / RUNS / _generator_name(str(model), self.asked.donor(seed))
        generator = load_generator(trained(str(model)) or own, device=self.asked.tuning.device)
        drawing = derive(self.asked.donor(seed), "samples") % 2**31
        _once(
            self._drawn(model, seed),
            lambda folder: write_samples(generator, folder, self.asked.samples, seed=drawing),
        )

    def _name(self, arm: Arm, labels: int, seed: int) -> None:
        """Give samples labels, from what has learnt the same labels with the same seed."""
        self._draw(arm.model, seed)
        samples = self._drawn(arm.model, seed) / TABLE
        of = self._judge(arm.model) if arm.screened else self.asked.arms[0]
        run = RunFolder(self.out / RUNS / _training_name(of, labels, seed))
        how: dict[str, Any] = {"device": self.asked.tuning.device, "command": self.command}

        def named(folder: Path) -> object:
            if arm.screened:
                return screen(run, samples, folder, keep=self.asked.keep, **how)
            return name_samples(run, samples, folder, device=self.asked.tuning.device)

        _once(self._named(arm, labels, seed), named)


def _generator_name(model: str, seed: int) -> str:
    return f"generator-{folder_name(model)}-{seed}"


def _training_name(arm: Arm, labels: int, seed: int) -> str:
    return f"{arm.folder}-{labels}-{seed}"


def _once(folder: Path, write: Callable[[Path], object]) -> None:
    """Have a folder written, unless it is there: whole or not at all."""
    if folder.is_dir():
        return
    begun = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(begun, ignore_errors=True)  # of an experiment that was stopped meanwhile
    write(begun)
    begun.rename(folder)


def _after(ready: Callable[[], None]) -> Make:
    """Training, after what it learns from has been made."""

    def make(
        index_path: Path, out: Path, recipe: Recipe, *, command: list[str], resume: bool
    ) -> object:
        ready()
        return train(index_path, out, recipe, command=command, resume=resume)

    return make  # type: ignore[return-value]  # it brings the recipe that it takes


def lasting(recipe: Recipe, per_epoch: int, steps: int) -> Recipe:
    """A recipe of so many steps, to the end of an epoch, and no more validations than it has epochs.

    Examples:
        >>> many = lasting(Recipe(epochs=5, batch_size=16), per_epoch=30, steps=100)
        >>> many.epochs, many.validate_every
        (4, 384)
    """
    epochs = math.ceil(steps / per_epoch)
    if recipe.validate_every is not None:
        return recipe.model_copy(update={"epochs": epochs})
    every = max(1, epochs * per_epoch // recipe.epochs) * recipe.batch_size
    return recipe.model_copy(update={"epochs": epochs, "validate_every": every})


# --- what cannot be done, before anything is ------------------------------------------------


def _check(asked: Experiment) -> None:
    labels, tuning = list(asked.labels), asked.tuning
    if not labels or min(labels) < 1 or labels != sorted(set(labels)):
        raise ArgumentError(f"--labels must be rising numbers from 1, got {labels}.")
    if not 1 <= asked.generators <= asked.seeds:
        raise ArgumentError(
            f"--generators must be at least 1 and at most the {asked.seeds} --seeds, got"
            f" {asked.generators}."
        )
    for name, value, least in (
        ("samples", asked.samples, 2),
        ("least-steps", asked.least_steps, 1),
    ):
        if value < least:
            raise ArgumentError(f"--{name} must be at least {least}, got {value}.")
    if not 0 < asked.keep <= 1:
        raise ArgumentError(f"--keep must be in (0, 1], got {asked.keep}.")
    if tuning.labels_per_class is not None or tuning.samples is not None:
        raise ArgumentError(
            "the experiment sets labels and samples itself, got labels_per_class"
            f" {tuning.labels_per_class} and samples {tuning.samples!r}. Give --labels and --arms."
        )
    check_choices(tuning)
    for arm in asked.arms:
        if arm.model is not None:
            _check_model(asked, arm.model)
            as_ = "labelled" if arm.kind == "augment" else "generated"
            check_choices(tuning.model_copy(update={"samples": "samples", "samples_as": as_}))


def _check_model(asked: Experiment, model: str) -> None:
    if (run := trained(model)) is not None:
        load_generator(run)
    else:
        check_generating(completed(asked.generating.model_copy(update={"model": model})))


def _images(tuning: Recipe, index: Index, labels: int) -> int:
    """Training images with so many labels, which must be there, or hours later runs would break."""
    recipe = tuning.model_copy(update={"labels_per_class": labels})
    few = few_labels(index, Target.of(index, positive=recipe.positive), recipe)
    return few.frame["split"].to_list().count("train")


# --- what is written -------------------------------------------------------------------------


def _write(out: Path, asked: Experiment, outcomes: Mapping[Key, Outcome]) -> None:
    """As `medgraft pretrain-study` writes it: its curves and tests are those of this one."""
    names = {arm.name for arm in asked.arms}
    write_json(
        out / EXPERIMENT,
        {
            "task": "classification",
            "labels": list(asked.labels),
            "seeds": list(asked.numbers),
            "pretrainings": asked.generators,
            "least_steps": asked.least_steps,
            "samples": asked.samples,
            "keep": asked.keep,
            "reference": NONE,
            "starts": [{"name": arm.name, "task": arm.model} for arm in asked.arms],
            "runs": [
                {
                    "start": name,
                    "labels": labels if name in names else 0,
                    "seed": seed,
                    "folder": outcome.folder.relative_to(out).as_posix(),
                    "failure": outcome.failure,
                }
                for (name, labels, seed), outcome in outcomes.items()
            ],
        },
    )
