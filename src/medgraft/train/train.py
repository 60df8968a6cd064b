"""The main job: prepare, train, predict, judge, and leave a run folder that explains itself."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from medgraft.augment import Augmenter, expand
from medgraft.augment.transforms import augmentations
from medgraft.errors import OutputError, TableError, TrainingError
from medgraft.files import new_folder, read_json, replacing, sha256, write_json, write_text
from medgraft.index import Index
from medgraft.nets import Created, check_names, create
from medgraft.nets.backbones import find
from medgraft.nets.weights import open_weights, parameters, save_weights
from medgraft.prepare import canonical, pipeline
from medgraft.prepare.store import default_cache
from medgraft.runs import RunFolder
from medgraft.spec import build
from medgraft.train import checkpoint
from medgraft.train.batches import Batches
from medgraft.train.data import Data, class_weights, load_data, statistics
from medgraft.train.examples import write_examples
from medgraft.train.hardware import Compute, choose, find_device
from medgraft.train.judging import by_name, judge, predictions
from medgraft.train.loop import Loop, Row
from medgraft.train.processes import Processes
from medgraft.train.recipe import Recipe, load_recipe, save_recipe
from medgraft.train.record import FINISHED, RUNNING, STOPPED, Record, now
from medgraft.train.schedules import schedules
from medgraft.train.supervised import Normalisation, Predictor, Supervised


def train(
    index_path: Path, out: Path, recipe: Recipe, *, command: list[str], resume: bool = False
) -> RunFolder | None:
    """Train on an index and write a run folder.

    Args:
        index_path: Written by `medgraft index`.
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
        TrainingError: If training cannot go on.
    """
    processes = Processes.join()
    try:
        return _Run(index_path, out, recipe, command, resume, processes).go()
    finally:
        processes.leave()


@dataclass
class _Run:
    index_path: Path
    out: Path
    recipe: Recipe
    command: list[str]
    resume: bool
    processes: Processes

    def go(self) -> RunFolder | None:
        self.run = RunFolder(self.out)
        _check_recipe(self.recipe)
        self._open_folder()
        if self.recipe.threads is not None:
            torch.set_num_threads(self.recipe.threads)
        self.record = Record(self.run.record, self.command, self.recipe.seed)
        if self.resume:
            self.record.go_on()
        try:
            self._phases()
        except BaseException:
            # a run that had not begun leaves an empty folder: the same command works again
            if self.run.recipe.is_file():
                with suppress(OutputError):  # the disk may be full
                    self._save(STOPPED)
            raise
        return self.run if self.processes.first else None

    def _phases(self) -> None:
        device = find_device(self.recipe.device, self.processes.local)
        with self.record.phase("measure machine"):
            compute = self._compute(device)
        with self.record.phase("prepare"):
            data = self._data(compute)
        torch.manual_seed(self.recipe.seed)
        made = self._network(data)
        predictor = self._predictor(made, data, compute)
        batches = self._batches(data, compute)
        self._describe(made, data, compute)
        with self.record.phase("train"):
            self._fit(predictor, data, batches, compute)
        with self.record.phase("predict"):
            # in float32, so that the very same numbers come from `medgraft predict`
            table = predictions(replace(predictor, autocast=False), data)
            self.record.data["test_read"] = now()
        if self.processes.first:
            self._write(made, predictor, data, table)

    # --- before training ---------------------------------------------------------------

    def _open_folder(self) -> None:
        if self.resume:
            if not self.run.recipe.is_file():
                raise OutputError(
                    f"--resume needs a run that was stopped, and '{self.out}' holds none."
                    " Leave --resume out; images that were prepared are not prepared again."
                )
            if self._recorded().get("status") == FINISHED:
                raise OutputError(
                    f"--resume needs a run that was stopped, and '{self.out}' is finished."
                    f" `medgraft report {self.out}` writes its page again."
                )
        elif self.processes.first:
            new_folder(self.out)
        self.processes.wait()

    def _compute(self, device: torch.device) -> Compute:
        """The first process chooses, and all compute alike."""
        recipe, compute = self.recipe, Compute(device, "float32", "contiguous", "as the first does")
        if self.processes.first:
            compute = choose(device, recipe.precision, recipe.memory_format, default_cache())
        short = self.processes.of_first(compute.precision == "bfloat16", device)
        last = self.processes.of_first(compute.memory_format == "channels_last", device)
        return replace(
            compute,
            precision="bfloat16" if short else "float32",
            memory_format="channels_last" if last else "contiguous",
        )

    def _recorded(self) -> dict[str, Any]:
        """What the run that is gone on with says of itself; nothing if it was killed early."""
        try:
            return dict(read_json(self.run.record))
        except TableError:
            return {}

    def _data(self, compute: Compute) -> Data:
        """The data, and the recipe with everything that was left open filled in."""
        # the lock of the store lets one of several processes build it; they share its pages
        memory_bytes = None if self.processes.world == 1 else 0
        data = load_data(self.index_path, self.recipe, default_cache(), memory_bytes=memory_bytes)
        augmenter = Augmenter(self.recipe.augment, dims=len(data.store.shape) - 1)
        resolved = {
            "channels": data.store.shape[0],
            "steps": tuple(canonical(pipeline(data.steps))),
            "augment": tuple(augmenter.specs),
            "precision": compute.precision,
            "memory_format": compute.memory_format,
            "threads": torch.get_num_threads(),
        }
        self.recipe = self.recipe.model_copy(update=resolved)
        if self.resume:
            self._check_same(data)
        return data

    def _check_same(self, data: Data) -> None:
        before = load_recipe(self.run.recipe)
        changed = [
            key
            for key, value in before.model_dump().items()
            if value != getattr(self.recipe, key) and key not in ("device", "checkpoint_seconds")
        ]
        if changed:
            raise TrainingError(
                "a resumed run must keep its recipe, but these differ:"
                f" {', '.join(changed)}. Leave the flags out, or start a new run with another --out."
            )
        if self.run.index.is_file():
            rows = Index.load(self.run.index).frame
            if not rows.equals(data.index.frame):
                raise TrainingError(
                    f"a resumed run must keep its rows, but those of '{self.index_path}' that can be"
                    f" used are no longer those of '{self.run.index}'. Start a new run with another"
                    " --out."
                )

    def _network(self, data: Data) -> Created:
        made = create(
            self.recipe.backbone,
            in_channels=data.store.shape[0],
            classes=len(data.target.names),
            weights=self.recipe.weights,
            after=self.recipe.after,
        )
        _check_shape(made, data.store.shape[1:])
        made.network.freeze_through(self.recipe.freeze_through)
        return made

    def _predictor(self, made: Created, data: Data, compute: Compute) -> Predictor:
        network = made.network.to(compute.device)
        if compute.placement.channels_last:
            network = network.to(memory_format=torch.channels_last)
        return Predictor(
            network,
            kind=data.target.kind,
            normalise=_normalisation(made, data),
            placement=compute.placement,
            autocast=compute.autocast,
            processes=self.processes,
        )

    def _describe(self, made: Created, data: Data, compute: Compute) -> None:
        for sentence in data.notes:
            self.record.note(sentence)
        total, learns = parameters(made.network)
        loaded = f"{len(made.fit.loaded)} tensors loaded" if made.fit else "random"
        self.record.data |= {
            "inputs": {
                "index": sha256(self.index_path),
                "weights": made.weights.hash if made.weights else None,
            },
            "data": data.summary(),
            "compute": {
                "precision": compute.precision,
                "memory_format": compute.memory_format,
                "why": compute.why,
                "device": str(compute.device),
                "processes": self.processes.world,
            },
            "network": {
                "backbone": self.recipe.backbone,
                "after": self.recipe.after,
                "frozen_through": self.recipe.freeze_through,
                "weights": self.recipe.weights,
                "loaded": loaded,
                "not_used": made.fit.unused if made.fit else [],
                "parameters": total,
                "trainable": learns,
            },
        }
        if self.processes.first:
            save_recipe(self.recipe, self.run.recipe)  # from here on the run can be resumed
            data.index.save(self.run.index)
            write_text(self.run.rejects, data.rejects.write_csv())
        self._save(RUNNING)

    # --- training ----------------------------------------------------------------------

    def _batches(self, data: Data, compute: Compute) -> Batches:
        training = data.rows("train")
        augmenter = Augmenter(self.recipe.augment, dims=len(data.store.shape) - 1)
        return Batches(
            data.store,
            training.rows,
            training.targets,
            size=self.recipe.batch_size,
            seed=self.recipe.seed,
            augmenter=augmenter if self.recipe.augment else None,
            placement=compute.placement,
            rank=self.processes.rank,
            world=self.processes.world,
        )

    def _fit(self, predictor: Predictor, data: Data, batches: Batches, compute: Compute) -> None:
        held_out = data.rows("val")
        weights = class_weights(
            batches.targets,
            kind=data.target.kind,
            balanced=self.recipe.class_weights == "balanced",
        )
        objective = Supervised(
            predictor,
            weights=torch.from_numpy(weights).to(compute.device),
            smoothing=self.recipe.label_smoothing,
            held_out=held_out if len(held_out.rows) else None,
        )
        loop = Loop(
            objective,
            batches,
            self.recipe,
            folder=self.run.checkpoint,
            processes=self.processes,
            autocast=compute.autocast,
            on_epoch=self._write_history,
        )
        if self.resume:
            loop.resume()
        progress = loop.run()
        if not progress.best:
            self.record.note("No validation image has a label: the last weights were taken.")
            return
        epoch = int(progress.best["epoch"])
        row = progress.history[epoch - 1]
        metric = "auroc_val" if "auroc_val" in row else "loss_val"
        self.record.data["best"] = {"epoch": epoch, "metric": metric, "value": row[metric]}

    def _write_history(self, history: list[Row]) -> None:
        write_text(self.run.history, pl.DataFrame(history).write_csv())

    # --- after training ----------------------------------------------------------------

    def _write(self, made: Created, predictor: Predictor, data: Data, table: pl.DataFrame) -> None:
        with replacing(self.run.predictions) as temporary:
            table.write_parquet(temporary)
        with self.record.phase("evaluate"):
            found = judge(table, data, self.recipe)
            write_json(self.run.evaluation, found)
        places = data.places("test")
        write_examples(
            self.run.examples,
            table.filter(pl.col("split") == "test"),
            data.stored[places],
            data.store,
            data.target,
            by_name(found["threshold"], data.target),
        )
        self._write_weights(made, predictor, data, found)
        self._save(FINISHED)
        checkpoint.remove(self.run.checkpoint)

    def _write_weights(
        self, made: Created, predictor: Predictor, data: Data, found: dict[str, Any]
    ) -> None:
        network, normalise = predictor.network, predictor.normalise
        backbone = network.backbone
        written = {
            "backbone": backbone.name,
            "options": made.options,
            "after": self.recipe.after,
            "stages": {name: backbone.channels[name] for name in backbone.names},
            "channels": backbone.in_channels,
            "input_size": list(data.store.shape[1:]),
            "steps": list(self.recipe.steps or ()),
            "scale": data.store.scale,
            "mean": normalise.mean,
            "std": normalise.std,
            "statistics_of": normalise.origin,
            "kind": data.target.kind,
            "labels": list(data.target.names),
            "positive": data.target.positive,
            "threshold": found["threshold"],
            "source": made.weights.source if made.weights else "random",
            "source_hash": made.weights.hash if made.weights else None,
            "licence": made.weights.licence
            if made.weights
            else "none: trained from random weights",
        }
        notes = {  # for whoever takes the file alone
            "architecture": backbone.name,
            "mean": ",".join(map(str, normalise.mean)),
            "std": ",".join(map(str, normalise.std)),
            "licence": str(written["licence"]),
        }
        save_weights(network, self.run.weights, notes)
        write_json(self.run.weights_record, {**written, "hash": sha256(self.run.weights)})

    def _save(self, status: str) -> None:
        if self.processes.first:
            self.record.save(status)


def _normalisation(made: Created, data: Data) -> Normalisation:
    file = made.weights
    if file is None or file.mean is None or file.std is None:
        return statistics(data.rows("train"))
    channels = data.store.shape[0]
    mean, std = file.mean, file.std
    if len(mean) != channels:  # colour statistics for grey images: their mean
        mean = (float(np.mean(mean)),) * channels
        std = (float(np.mean(std)),) * channels
    return Normalisation(mean, std, f"the weights ({file.source})")


def _check_recipe(recipe: Recipe) -> None:
    """Find wrong names now, and not after the images have been prepared."""
    check_names(recipe.backbone, after=recipe.after, freeze_through=recipe.freeze_through)
    if recipe.weights != "none":
        open_weights(recipe.weights, backbone=recipe.backbone)
    schedules.get(recipe.schedule)
    pipeline(recipe.steps or ())
    for text in expand(recipe.augment):
        build(augmentations, text)


def _check_shape(made: Created, shape: tuple[int, ...]) -> None:
    dims, least = made.network.backbone.dims, find(made.network.backbone.name).smallest_side
    if len(shape) != dims:
        raise TrainingError(
            f"{made.network.backbone.name} needs images of {dims} spatial axes, but the prepared"
            f" ones have {len(shape)}: {' x '.join(map(str, shape))}. Choose another backbone, or"
            " index pictures and volumes apart."
        )
    if min(shape) < least:
        raise TrainingError(
            f"{made.network.backbone.name} needs images of at least {least} pixels a side, got"
            f" {' x '.join(map(str, shape))}. Pass --size {least} or more."
        )
