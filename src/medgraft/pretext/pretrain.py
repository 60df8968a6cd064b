"""Pretraining: prepare, learn a pretext task, and leave a run folder that explains itself."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from medgraft.augment import Augmenter
from medgraft.errors import ArgumentError, TrainingError
from medgraft.files import sha256, write_json
from medgraft.machine import keep_freed_memory
from medgraft.nets import outline
from medgraft.nets.backbones import find
from medgraft.nets.weights import parameters, save_weights
from medgraft.prepare import canonical, pipeline
from medgraft.prepare.store import default_cache
from medgraft.pretext.material import Material, load_crops, load_material
from medgraft.pretext.objective import Learner, Pretext, judge
from medgraft.pretext.phases import learner_of, plan
from medgraft.pretext.pictures import write_pictures
from medgraft.pretext.recipe import Pretraining
from medgraft.pretext.task import Made, Task
from medgraft.pretext.tasks import Restoring, find_task
from medgraft.runs import RunFolder
from medgraft.seeds import derive
from medgraft.spec import parse, write
from medgraft.train import checkpoint
from medgraft.train.batches import Batches
from medgraft.train.beginning import (
    agree,
    check_same,
    circumstances,
    marked_if_stopped,
    open_run,
    write_beginning,
    write_history,
)
from medgraft.train.hardware import Compute, find_device
from medgraft.train.loop import Loop, validation_steps
from medgraft.train.processes import Processes
from medgraft.train.record import FINISHED, RUNNING
from medgraft.train.setup import check_parts, check_shape, check_slices, normalisation
from medgraft.train.strategies import Phase

SEEN = 64  # images that are looked at to tell whether there is any colour


def pretrain(
    index_path: Path, out: Path, recipe: Pretraining, *, command: list[str], resume: bool = False
) -> RunFolder | None:
    """Learn a pretext task from the images of an index and write a run folder.

    Args:
        index_path: Written by `medgraft index`; labels are not needed and not looked at.
        out: A new or empty folder; with `resume`, that of the run to go on with.
        recipe: Settings. With `resume` they must be those of the run.
        command: How this was called, for the record.
        resume: Go on from the last checkpoint.

    Returns:
        The run folder, complete but for the report; None in every process but the first.

    Raises:
        OutputError: If `out` is in use, there is nothing to resume, or a disk is full.
        UnknownNameError, ArgumentError: If a name or option of the recipe is wrong.
        TableError, LeakageError: If the index is not usable.
        TrainingError: If the images do not suit the network or the task, or training cannot go on.
    """
    processes = Processes.join()
    try:
        return _Run(index_path, RunFolder(out), recipe, command, resume, processes).go()
    finally:
        processes.leave()


def check_choices(recipe: Pretraining) -> None:
    """Find wrong names now, and not after the images have been prepared.

    Raises:
        UnknownNameError, ArgumentError: If a name or option of the recipe is wrong.
        WeightsError: If the weights are of another architecture.
    """
    task = find_task(recipe.task, as_published=recipe.as_published)
    check_semantic(recipe, task)
    check_slices(recipe, outline(recipe.backbone, after=recipe.after))
    validation_steps(recipe)
    check_parts(recipe)


def check_semantic(recipe: Pretraining, task: Task) -> None:
    """Refuse a task without the discovery that it needs, or a discovery that cannot be used.

    Raises:
        ArgumentError: With what to do.
    """
    if recipe.semantic is None and task.needs_patterns:
        raise ArgumentError(
            f"{recipe.task} needs --semantic with the folder of a discovery. Make one with"
            " `medgraft discover INDEX --out PATTERNS`, or take --task models_genesis."
        )
    if recipe.semantic is not None and (recipe.patch or recipe.slices):
        key = "patch" if recipe.patch else "slices"
        raise ArgumentError(
            f"--semantic learns from the crops of a discovery as they are, got {key}"
            f" {getattr(recipe, key)!r} as well. Leave --{key} out."
        )
    if recipe.semantic is not None and not isinstance(task, Restoring):
        raise ArgumentError(
            f"--semantic needs a task that restores, got {recipe.task!r}, which is {task.kind}."
            " Take another --task, such as semantic_genesis."
        )
    if recipe.encoder_epochs and recipe.semantic is None:
        raise ArgumentError(
            "--encoder-epochs needs patterns for the encoder to name, and there is no --semantic. Pass"
            " the folder of a discovery, or leave it out."
        )


@dataclass
class _Run:
    index_path: Path
    run: RunFolder
    recipe: Pretraining
    command: list[str]
    resume: bool
    processes: Processes

    def go(self) -> RunFolder | None:
        check_choices(self.recipe)
        self.record = open_run(
            self.run, self.recipe, self.command, resume=self.resume, processes=self.processes
        )
        keep_freed_memory()  # distorting takes and frees a megabyte every few microseconds
        with marked_if_stopped(self.run, self._save):
            self._phases()
        return self.run if self.processes.first else None

    def _phases(self) -> None:
        device = find_device(self.recipe.device, self.processes.local)
        with self.record.phase("measure machine"):
            dims = find(self.recipe.backbone).dims
            compute = agree(device, self.recipe, self.processes, dims=dims)
        with self.record.phase("prepare"):
            material = self._material(compute)
        task = find_task(self.recipe.task, as_published=self.recipe.as_published)
        torch.manual_seed(self.recipe.seed)
        made = make_network(self.recipe, task, material.shape, patterns=material.patterns)
        check_images(task, material)
        learner = make_learner(self.recipe, made, task, material, compute)
        self._describe(made, material, compute)
        with self.record.phase("train"):
            self._fit(learner, material, compute)
        # in float32, so that the numbers do not depend on the precision of training
        learner = replace(learner, autocast=False)
        with self.record.phase("judge"):
            self._write(made, learner, material)

    def _material(self, compute: Compute) -> Material:
        """The images, and the recipe with everything that was left open filled in."""
        memory_bytes = (
            None if self.processes.world == 1 else 0
        )  # processes share pages of the store
        load = load_material if self.recipe.semantic is None else load_crops
        material = load(self.index_path, self.recipe, default_cache(), memory_bytes=memory_bytes)
        task = find_task(self.recipe.task)
        augmenter = Augmenter(self.recipe.augment, dims=len(material.shape) - 1)
        self.recipe = self.recipe.model_copy(
            update={
                "task": write(parse(self.recipe.task)[0], task),
                "channels": material.shape[0] // (self.recipe.slices or 1),
                "steps": tuple(canonical(pipeline(material.steps))),
                "augment": tuple(augmenter.specs),
                "precision": compute.precision,
                "memory_format": compute.memory_format,
                "threads": torch.get_num_threads(),
            }
        )
        if self.resume:
            check_same(self.run, self.recipe, material.index, self.index_path)
        return material

    def _describe(self, made: Made, material: Material, compute: Compute) -> None:
        for said in (*material.notes, *(made.fit.doubts if made.fit else ())):
            self.record.note(said)
        total, trainable = parameters(made.network)
        self.record.data |= {
            **circumstances(self.index_path, made.weights, compute, self.processes),
            "data": material.summary(),
            "network": {
                "backbone": made.network.backbone.name,
                "after": self.recipe.after,
                "task": self.recipe.task,
                "learns_from": "; ".join(material.sees),
                "patterns": material.patterns,
                "phases": [asdict(phase) for phase in plan(self.recipe)],
                "weights": self.recipe.weights,
                "loaded": made.fit.told if made.fit else "random",
                "not_used": made.fit.unused if made.fit else [],
                "parameters": total,
                "trainable": trainable,
            },
        }
        if self.processes.first:
            write_beginning(self.run, self.recipe, material.index, material.rejects)
        self._save(RUNNING)

    def _fit(self, learner: Learner, material: Material, compute: Compute) -> None:
        before: Loop | None = None
        for number, phase in enumerate(plan(self.recipe)):
            before = self._loop(number, phase, learner, material, compute, before)
            before.run()
        assert before is not None, "a plan without a phase"
        found = before.progress
        if not found.best:
            self.record.note("There is no validation part: the last weights were taken.")
            return
        best = {"epoch": found.best["epoch"], "metric": "loss_val", "value": -found.best["score"]}
        self.record.data["best"] = best

    def _loop(
        self,
        number: int,
        phase: Phase,
        learner: Learner,
        material: Material,
        compute: Compute,
        before: Loop | None,
    ) -> Loop:
        """What trains one phase, gone on with where it was stopped."""
        # of the first phase as ever, so that a pretraining in one phase has the bits it had
        seed = derive(self.recipe.seed, "phase", number) if number else self.recipe.seed
        batches = replace(make_batches(self.recipe, material, compute, self.processes), seed=seed)
        held_out = material.held_out
        loop = Loop(
            Pretext(
                learner_of(phase, learner),
                seed=seed,
                per_epoch=batches.per_epoch,
                held_out=held_out if len(held_out.rows) else None,
                processes=self.processes,
            ),
            batches,
            self.recipe.model_copy(update={"epochs": phase.epochs, "seed": seed}),
            folder=self.run.checkpoint / f"phase-{number}",
            processes=self.processes,
            autocast=compute.autocast,
            on_epoch=partial(write_history, self.run),
        )
        loop.follow(before, same_score=False)
        if self.resume:
            loop.resume()
        return loop

    def _write(self, made: Made, learner: Learner, material: Material) -> None:
        held_out = material.held_out
        judged = {}
        if len(held_out.rows):
            judged = judge(learner, held_out, seed=self.recipe.seed, processes=self.processes)
        if not self.processes.first:
            return
        shown = held_out if judged else material.training
        split = "val" if judged else "train"
        task, shape = learner.task, material.shape[1:]
        together = max(share.stop - share.start for share in learner.shares(shown))
        write_json(
            self.run.pretext,
            {
                "task": self.recipe.task,
                "kind": task.kind,
                "source": task.source,
                "as_published": self.recipe.as_published,
                "split": split,
                "images": len(held_out.rows),
                "unit": material.unit,
                "loss": judged.get("restoring_val", judged.get("loss_val")),
                "accuracy": judged.get("accuracy_val"),
                "untouched": judged.get("input_val"),
                "classes": task.choices(shape, patterns=material.patterns, together=together),
            },
        )
        write_pictures(self.run.examples, learner, shown, seed=self.recipe.seed, split=split)
        self._write_weights(made, learner, material)
        self._save(FINISHED)
        checkpoint.remove(self.run.checkpoint)

    def _write_weights(self, made: Made, learner: Learner, material: Material) -> None:
        backbone, normalise, task = made.network.backbone, learner.normalise, learner.task
        licence = made.weights.licence if made.weights else "none: trained from random weights"
        notes = {  # for whoever takes the file alone
            "architecture": backbone.name,
            "mean": ",".join(map(str, normalise.mean)),
            "std": ",".join(map(str, normalise.std)),
            "licence": licence,
        }
        save_weights(made.network, self.run.weights, notes, parts=task.keeps)
        written = {
            "backbone": backbone.name,
            "options": made.options,
            "after": self.recipe.after,
            "stages": {name: backbone.channels[name] for name in backbone.names},
            "channels": backbone.in_channels,
            "input_size": list(material.shape[1:]),
            "steps": list(self.recipe.steps or ()),
            "scale": material.training.store.scale,
            "mean": normalise.mean,
            "std": normalise.std,
            "statistics_of": normalise.origin,
            "task": self.recipe.task,
            "parts": task.parts(self.recipe),
            "source": made.weights.source if made.weights else "random",
            "source_hash": made.weights.hash if made.weights else None,
            "licence": licence,
        }
        write_json(self.run.weights_record, {**written, "hash": sha256(self.run.weights)})

    def _save(self, status: str) -> None:
        if self.processes.first:
            self.record.save(status)


def make_network(
    recipe: Pretraining, task: Task, shape: tuple[int, ...], *, patterns: int | None = None
) -> Made:
    """The network that a task needs, for images of shape (C, *S), and for so many patterns.

    Raises:
        UnknownNameError: If there is no such backbone or stage.
        WeightsError: If the weights do not fit.
        TrainingError, ShapeError: If the images do not suit the network or the task.
    """
    larger = "--size {}" if recipe.patch is None else "--patch {}"
    larger = larger if recipe.semantic is None else "--crop {} to `medgraft discover`,"
    check_shape(outline(recipe.backbone, after=recipe.after), shape[1:], larger=larger)
    return task.network(recipe, shape, patterns=patterns)


def check_images(task: Task, material: Material) -> None:
    """Refuse images that a task cannot learn from, or be judged on.

    Raises:
        ArgumentError: If the task needs colour, and there is none among the first training images.
        TrainingError: If the loss is one of a batch, and there is one image to validate on.
    """
    if task.over_batch and len(material.held_out.rows) == 1:
        raise TrainingError(
            "this task needs at least 2 images to validate on, to tell one from the other, but"
            " there is 1. Run `medgraft split` with a larger --val, or with --val 0."
        )
    if not task.needs_colour:
        return
    training = material.training
    some = training.store.gather(training.rows[:SEEN])
    if some.shape[1] != 3 or bool(np.all(some == some[:, :1])):
        raise ArgumentError(
            "this task needs colour images, but these are grey. Choose another --task, such as"
            " models_genesis."
        )


def make_learner(
    recipe: Pretraining, made: Made, task: Task, material: Material, compute: Compute
) -> Learner:
    """The network on its device, with its task and the normalisation of its images."""
    network = made.network.to(compute.device)
    if compute.placement.channels_last:
        network = network.to(memory_format=torch.channels_last)
    return Learner(
        network,
        task,
        normalisation(made.weights, material.training),
        compute.placement,
        as_published=recipe.as_published,
        class_weight=recipe.class_weight,
        together=recipe.batch_size,
        autocast=compute.autocast,
    )


def make_batches(
    recipe: Pretraining, material: Material, compute: Compute, processes: Processes
) -> Batches:
    """The training images in batches.

    Raises:
        TrainingError: If a process would have a batch of one image.
    """
    training = material.training
    augmenter = Augmenter(recipe.augment, dims=len(material.shape) - 1)
    return Batches(
        training.store,
        training.rows,
        training.targets,
        size=recipe.batch_size,
        seed=recipe.seed,
        augmenter=augmenter if recipe.augment else None,
        placement=compute.placement,
        rank=processes.rank,
        world=processes.world,
    )
