"""The main job: prepare, train, predict, judge, and leave a run folder that explains itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from medgraft.augment import Augmenter
from medgraft.errors import OutputError, TrainingError
from medgraft.evaluate import choose_thresholds, evaluate
from medgraft.files import new_folder, read_json, replacing, sha256, write_json
from medgraft.nets import Created, create
from medgraft.nets.weights import parameters, save_weights
from medgraft.prepare import canonical, pipeline
from medgraft.prepare.store import default_cache
from medgraft.runs import RunFolder
from medgraft.train import checkpoint
from medgraft.train.batches import Batches
from medgraft.train.data import Data, class_weights, load_data, statistics
from medgraft.train.examples import write_examples
from medgraft.train.hardware import Compute, choose, find_device
from medgraft.train.loop import Loop, Row
from medgraft.train.processes import Processes
from medgraft.train.recipe import Recipe, load_recipe, save_recipe
from medgraft.train.record import Record, now
from medgraft.train.supervised import Normalisation, Predictor, Supervised


def train(
    index_path: Path, out: Path, recipe: Recipe, *, command: list[str], resume: bool = False
) -> RunFolder:
    """Train on an index and write a run folder.

    Args:
        index_path: Written by `medgraft index`.
        out: A new or empty folder; with `resume`, that of the run to go on with.
        recipe: Settings. With `resume` they must be those of the run.
        command: How this was called, for the record.
        resume: Go on from the last checkpoint.

    Returns:
        The run folder, complete but for the report.

    Raises:
        OutputError: If `out` is in use, or there is nothing to resume.
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

    def go(self) -> RunFolder:
        self.run = RunFolder(self.out)
        self._open_folder()
        if self.recipe.threads is not None:
            torch.set_num_threads(self.recipe.threads)
        self.record = Record(self.run.record, self.command, self.recipe.seed)
        if self.resume:
            self.record.go_on()
        try:
            self._phases()
        except KeyboardInterrupt:
            self._save("stopped")
            raise
        return self.run

    def _phases(self) -> None:
        device = find_device(self.recipe.device, self.processes.local)
        with self.record.phase("measure machine"):
            compute = self._compute(device)
        with self.record.phase("prepare"):
            data = self._data(compute)
        torch.manual_seed(self.recipe.seed)
        made = self._network(data)
        predictor = self._predictor(made, data, compute)
        self._describe(made, data, compute)
        with self.record.phase("train"):
            self._fit(predictor, data, compute)
        with self.record.phase("predict"):
            predictions = _predictions(predictor, data)
            self.record.data["test_read"] = now()
        if self.processes.first:
            self._write(made, predictor, data, predictions)

    # --- before training ---------------------------------------------------------------

    def _open_folder(self) -> None:
        if self.resume:
            if not self.run.recipe.is_file():
                raise OutputError(
                    f"--resume needs a run that was stopped, and '{self.out}' holds none."
                )
            if self.run.weights.is_file():
                raise OutputError(
                    f"--resume needs a run that was stopped; '{self.out}' is finished."
                )
        elif self.processes.first:
            new_folder(self.out)
        self.processes.wait()

    def _compute(self, device: torch.device) -> Compute:
        recipe = self.recipe
        return choose(device, recipe.precision, recipe.memory_format, default_cache())

    def _data(self, compute: Compute) -> Data:
        """The data, and the recipe with everything that was left open filled in."""
        if self.processes.first:
            data = load_data(self.index_path, self.recipe, default_cache())
            self.processes.wait()
        else:
            self.processes.wait()  # the first builds the store, the others find it
            data = load_data(self.index_path, self.recipe, default_cache())
        augmenter = Augmenter(self.recipe.augment, dims=len(data.store.shape) - 1)
        resolved = {
            "channels": data.store.shape[0],
            "steps": tuple(canonical(pipeline(data.steps))),
            "augment": tuple(augmenter.specs),
            "precision": compute.precision,
            "memory_format": compute.memory_format,
            "threads": torch.get_num_threads(),
        }
        recipe = self.recipe.model_copy(update=resolved)
        if self.resume:
            self._check_same(recipe)
        self.recipe = recipe
        if self.processes.first:
            save_recipe(self.recipe, self.run.recipe)
        return data

    def _check_same(self, recipe: Recipe) -> None:
        before = load_recipe(self.run.recipe)
        changed = [
            key
            for key, value in before.model_dump().items()
            if value != getattr(recipe, key) and key not in ("device", "checkpoint_seconds")
        ]
        if changed:
            raise TrainingError(
                "a resumed run must keep its recipe, but these differ:"
                f" {', '.join(changed)}. Leave the flags out, or start a new run with another --out."
            )
        asked, now_ = read_json(self.run.record)["inputs"].get("index"), sha256(self.index_path)
        if asked not in (None, now_):
            raise TrainingError(
                f"a resumed run must keep its index, but '{self.index_path}' has changed since."
                " Start a new run with another --out."
            )

    def _network(self, data: Data) -> Created:
        made = create(
            self.recipe.backbone,
            in_channels=data.store.shape[0],
            classes=len(data.target.names),
            weights=self.recipe.weights,
            after=self.recipe.after,
        )
        _check_side(made, data.store.shape[1:])
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
            data.index.save(self.run.index)
            data.rejects.write_csv(self.run.rejects)
        self._save("running")

    # --- training ----------------------------------------------------------------------

    def _fit(self, predictor: Predictor, data: Data, compute: Compute) -> None:
        training = data.rows("train")
        held_out = data.rows("val")
        weights = class_weights(
            training.targets,
            kind=data.target.kind,
            balanced=self.recipe.class_weights == "balanced",
        )
        objective = Supervised(
            predictor,
            weights=torch.from_numpy(weights).to(compute.device),
            smoothing=self.recipe.label_smoothing,
            held_out=held_out if len(held_out.rows) else None,
        )
        augmenter = Augmenter(self.recipe.augment, dims=len(data.store.shape) - 1)
        batches = Batches(
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
        best = progress.best
        if best:
            self.record.data["best"] = {
                "epoch": int(best["epoch"]),
                "metric": "auroc_val",
                "value": progress.history[int(best["epoch"]) - 1].get("auroc_val"),
            }
        else:
            self.record.note("There is no validation part: the last weights were taken.")

    def _write_history(self, history: list[Row]) -> None:
        with replacing(self.run.history) as temporary:
            pl.DataFrame(history).write_csv(temporary)

    # --- after training ----------------------------------------------------------------

    def _write(
        self, made: Created, predictor: Predictor, data: Data, predictions: pl.DataFrame
    ) -> None:
        with replacing(self.run.predictions) as temporary:
            predictions.write_parquet(temporary)
        with self.record.phase("evaluate"):
            found = judge(predictions, data, self.recipe)
            write_json(self.run.evaluation, found)
        places = data.places("test")
        write_examples(
            self.run.examples,
            predictions.filter(pl.col("split") == "test"),
            data.stored[places],
            data.store,
            data.target,
            _by_name(found["threshold"], data),
        )
        self._write_weights(made, predictor, data, found)
        checkpoint.remove(self.run.checkpoint)
        self._save("finished")

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
        save_weights(network, self.run.weights, {"architecture": backbone.name})
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


def _check_side(made: Created, shape: tuple[int, ...]) -> None:
    from medgraft.nets.backbones import find

    least = find(made.network.backbone.name).smallest_side
    if min(shape) < least:
        raise TrainingError(
            f"{made.network.backbone.name} needs images of at least {least} pixels a side, got"
            f" {' x '.join(map(str, shape))}. Pass --size {least} or more."
        )


def _predictions(predictor: Predictor, data: Data) -> pl.DataFrame:
    """One row per image that has a part in the split."""
    used = data.index.frame["split"].is_not_null().to_numpy()
    frame = data.index.frame.filter(pl.Series(used))
    truth = data.target.matrix(frame)
    probability = predictor.probabilities(predictor.predict(data.store, data.stored[used]))
    names = data.target.names
    return frame.select("image_id", "path", "patient_id", "split").with_columns(
        *(
            pl.Series(f"y_{name}", truth[:, k]).fill_nan(None).cast(pl.Int8)
            for k, name in enumerate(names)
        ),
        *(pl.Series(f"p_{name}", probability[:, k]) for k, name in enumerate(names)),
    )


def judge(predictions: pl.DataFrame, data: Data, recipe: Recipe) -> dict[str, Any]:
    """Choose thresholds on the validation rows and judge the test rows."""
    target = data.target
    names = list(target.names)
    common: dict[str, Any] = {"names": names, "kind": target.kind, "positive": target.positive}
    notes: list[str] = []
    if target.kind == "exclusive" and target.positive is None:
        chosen: dict[str, float] | None = None  # the highest probability decides
    else:
        rows = _arrays(predictions.filter(pl.col("split") == "val"), names)
        chosen, notes = {target.positive or n: 0.5 for n in names}, []
        if len(rows[0]):
            chosen, notes = choose_thresholds(*rows, rule=recipe.threshold, **common)
    test = predictions.filter(pl.col("split") == "test")
    return evaluate(
        *_arrays(test, names),
        patients=test["patient_id"].to_numpy() if data.index.patients_known else None,
        thresholds=chosen,
        threshold_rule=recipe.threshold if chosen else None,
        threshold_split="val" if chosen else None,
        split="test",
        replicates=recipe.replicates,
        seed=recipe.seed,
        notes=notes,
        **common,
    )


def _arrays(predictions: pl.DataFrame, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    truth = predictions.select(pl.col(f"y_{n}").cast(pl.Float64) for n in names)
    score = predictions.select(f"p_{n}" for n in names)
    return truth.fill_null(float("nan")).to_numpy(), score.to_numpy()


def _by_name(threshold: Any, data: Data) -> dict[str, float]:
    if isinstance(threshold, dict):
        return threshold
    return {data.target.positive: threshold} if data.target.positive and threshold else {}
