"""Training a generative model: prepare, learn, and leave a run folder that explains itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from medgraft.augment import Augmenter, expand
from medgraft.augment.transforms import augmentations
from medgraft.errors import ArgumentError
from medgraft.files import replacing, sha256, write_json
from medgraft.generate.generator import KIND, load_generator
from medgraft.generate.generators import find_model
from medgraft.generate.material import Material, load_material
from medgraft.generate.model import GenerativeModel
from medgraft.generate.objective import Generative
from medgraft.generate.pictures import write_pictures
from medgraft.generate.recipe import Generating
from medgraft.generate.verdict import verdict
from medgraft.machine import keep_freed_memory
from medgraft.nets.weights import parameters
from medgraft.prepare import canonical, pipeline
from medgraft.prepare.store import default_cache
from medgraft.runs import RunFolder
from medgraft.spec import build, parse, write
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
from medgraft.train.loop import Loop, Row, validation_steps
from medgraft.train.processes import Processes
from medgraft.train.record import FINISHED, RUNNING
from medgraft.train.schedules import schedules
from medgraft.train.setup import check_preparation


def train_generator(
    index_path: Path, out: Path, recipe: Generating, *, command: list[str], resume: bool = False
) -> RunFolder | None:
    """Learn to generate images like those of the training part, and write a run folder.

    Args:
        index_path: Written by `medgraft index`; labels are read only if the recipe is conditional.
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
        TrainingError: If the images do not suit the model, or training cannot go on.
        DivergedError: If the loss of a part is no longer a number; that part was not moved by it.
    """
    processes = Processes.join()
    try:
        return _Run(index_path, RunFolder(out), recipe, command, resume, processes).go()
    finally:
        processes.leave()


def completed(recipe: Generating) -> Generating:
    """The recipe with what the model decides filled in.

    Raises:
        UnknownNameError, ArgumentError: If there is no such model or option.
    """
    model = find_model(recipe.model)
    usual = {
        key: value for key, value in vars(model.defaults).items() if getattr(recipe, key) is None
    }
    return recipe.model_copy(update={"model": write(parse(recipe.model)[0], model), **usual})


def check_choices(recipe: Generating) -> None:
    """Find what is wrong with a completed recipe now, and not after images have been prepared.

    Raises:
        UnknownNameError, ArgumentError: If a name or option is wrong, or would have no effect.
    """
    assert recipe.schedule is not None, "the recipe was completed"
    build(schedules, recipe.schedule)
    check_preparation(recipe)
    for text in expand(recipe.augment):
        build(augmentations, text)
    if Augmenter(recipe.augment, dims=2).mixes:
        raise ArgumentError(
            f"--augment must leave each image what it is, got {' '.join(recipe.augment)}, which"
            " blends it with another: samples would be blends. Leave the mixing out."
        )
    validation_steps(recipe)


@dataclass
class _Run:
    index_path: Path
    run: RunFolder
    recipe: Generating
    command: list[str]
    resume: bool
    processes: Processes

    def go(self) -> RunFolder | None:
        self.recipe = completed(self.recipe)
        check_choices(self.recipe)
        self.record = open_run(
            self.run, self.recipe, self.command, resume=self.resume, processes=self.processes
        )
        keep_freed_memory()
        with marked_if_stopped(self.run, self._save):
            self._phases()
        return self.run if self.processes.first else None

    def _phases(self) -> None:
        device = find_device(self.recipe.device, self.processes.local)
        with self.record.phase("measure machine"):
            compute = agree(device, self.recipe, self.processes, dims=2)
        with self.record.phase("prepare"):
            material = self._material(compute)
        model = find_model(self.recipe.model)
        model.check(material.shape)
        _check_patience(self.recipe, model, material)
        torch.manual_seed(self.recipe.seed)
        networks = place(model.networks(material.shape), compute)
        self._describe(model, networks, material, compute)
        objective = make_objective(self.recipe, model, networks, material, compute, self.processes)
        with self.record.phase("train"):
            history = self._fit(objective, material, compute)
        if self.processes.first:
            with self.record.phase("draw"):
                self._write(objective, material, history)

    def _material(self, compute: Compute) -> Material:
        """The images, and the recipe with everything that was left open filled in."""
        memory_bytes = (
            None if self.processes.world == 1 else 0
        )  # processes share pages of the store
        material = load_material(
            self.index_path, self.recipe, default_cache(), memory_bytes=memory_bytes
        )
        self.recipe = self.recipe.model_copy(
            update={
                "channels": material.shape.channels,
                "steps": tuple(canonical(pipeline(material.steps))),
                "augment": tuple(Augmenter(self.recipe.augment, dims=2).specs),
                "precision": compute.precision,
                "memory_format": compute.memory_format,
                "threads": torch.get_num_threads(),
            }
        )
        if self.resume:
            check_same(self.run, self.recipe, material.index, self.index_path)
        return material

    def _describe(
        self,
        model: GenerativeModel,
        networks: Mapping[str, nn.Module],
        material: Material,
        compute: Compute,
    ) -> None:
        for said in material.notes:
            self.record.note(said)
        sizes = {name: parameters(part)[1] for name, part in networks.items()}
        self.record.data |= {
            **circumstances(self.index_path, None, compute, self.processes),
            "data": material.summary(),
            "network": {
                "model": self.recipe.model,
                "published_in": model.source,
                "classes": [] if material.classes is None else list(material.classes.names),
                "parts": sizes,
                "parameters": sum(sizes.values()),
            },
        }
        if self.processes.first:
            write_beginning(self.run, self.recipe, material.index, material.rejects)
        self._save(RUNNING)

    def _fit(self, objective: Generative, material: Material, compute: Compute) -> list[Row]:
        loop = Loop(
            objective,
            make_batches(self.recipe, material, compute, self.processes),
            self.recipe,
            folder=self.run.checkpoint,
            processes=self.processes,
            autocast=compute.autocast,
            on_epoch=partial(write_history, self.run),
        )
        if self.resume:
            loop.resume()
        found = loop.run()
        if found.best:
            best = {"epoch": found.best["epoch"], "metric": "loss_val"}
            self.record.data["best"] = {**best, "value": -found.best["score"]}
        else:
            self.record.note("No loss of held-out images chose the weights: they are the last.")
        return found.history

    def _write(self, objective: Generative, material: Material, history: list[Row]) -> None:
        self._write_weights(objective, material)
        generator = load_generator(self.run)
        found = verdict(objective.diversity(), history, smoothing=_smoothing(objective.model))
        for said in found.troubles:
            self.record.note(said)
        held_out = material.held_out if len(material.held_out.rows) else material.training
        split = "val" if len(material.held_out.rows) else "train"
        pictures = write_pictures(
            self.run.examples,
            generator,
            held_out,
            material.training,
            seed=self.recipe.seed,
            split=split,
        )
        write_json(
            self.run.generation,
            {
                "model": self.recipe.model,
                "source": objective.model.source,
                "images": len(material.training.rows),
                "classes": list(generator.classes),
                "spread": found.spread,
                "distinct": found.distinct,
                "collapsed": found.collapsed,
                "troubles": list(found.troubles),
                "pictures": pictures,
            },
        )
        self._save(FINISHED)
        checkpoint.remove(self.run.checkpoint)

    def _write_weights(self, objective: Generative, material: Material) -> None:
        tensors = {
            f"{name}/{key}": tensor.detach().cpu().contiguous().clone()
            for name, part in objective.networks.items()
            for key, tensor in part.state_dict().items()
        }
        with replacing(self.run.weights) as temporary:
            save_file(tensors, str(temporary), metadata={"model": self.recipe.model})
        classes, shape = material.classes, material.shape
        written = {
            "kind": KIND,
            "model": self.recipe.model,
            "parts": list(objective.networks),
            "shape": [shape.channels, shape.size, shape.size],
            "label": None if classes is None else classes.label,
            "classes": [] if classes is None else list(classes.names),
            "values": [] if classes is None else list(classes.values),
            "frequencies": list(material.counts.values()),
            "steps": list(self.recipe.steps or ()),
            "scale": material.scale,
            "seed": self.recipe.seed,
            "licence": "none: trained from random weights",
            "hash": sha256(self.run.weights),
        }
        write_json(self.run.weights_record, written)

    def _save(self, status: str) -> None:
        if self.processes.first:
            self.record.save(status)


def place(networks: dict[str, nn.Module], compute: Compute) -> dict[str, nn.Module]:
    """The parts on their device, in its layout."""
    layout = torch.channels_last if compute.placement.channels_last else torch.contiguous_format
    return {
        name: part.to(compute.device).to(memory_format=layout) for name, part in networks.items()
    }


def make_objective(
    recipe: Generating,
    model: GenerativeModel,
    networks: dict[str, nn.Module],
    material: Material,
    compute: Compute,
    processes: Processes,
) -> Generative:
    """What the loop trains, of a completed recipe."""
    assert recipe.beta1 is not None, "the recipe was completed"
    return Generative(
        model,
        networks,
        material.shape,
        compute.placement,
        recipe.seed,
        recipe.beta1,
        material.training,
        material.held_out,
        processes,
    )


def make_batches(
    recipe: Generating, material: Material, compute: Compute, processes: Processes
) -> Batches:
    """The training images in batches, augmented.

    Raises:
        TrainingError: If a process would have a batch of one image.
    """
    augmenter = Augmenter(recipe.augment, dims=2)
    return Batches(
        material.training.store,
        material.training.rows,
        material.training.targets,
        size=recipe.batch_size,
        seed=recipe.seed,
        augmenter=augmenter if augmenter.parts else None,
        placement=compute.placement,
        rank=processes.rank,
        world=processes.world,
    )


def _check_patience(recipe: Generating, model: GenerativeModel, material: Material) -> None:
    """Patience needs a loss of held-out images, which only some models have."""
    if recipe.patience is None:
        return
    if not model.chosen_by_loss:
        raise ArgumentError(
            f"--patience needs a model with a loss of held-out images, and {recipe.model!r} has none:"
            " the losses of rivals say nothing. Leave it out, or train a vae."
        )
    if not len(material.held_out.rows):
        raise ArgumentError(
            "--patience needs images to validate on, and there are none. Run `medgraft split` with"
            " --val 0.1."
        )


def _smoothing(model: GenerativeModel) -> float:
    return float(getattr(model, "smoothing", 0.0))
