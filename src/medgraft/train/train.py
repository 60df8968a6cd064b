"""The main job: prepare, train, predict, judge, and leave a run folder that explains itself."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
import torch

from medgraft.errors import OutputError
from medgraft.files import replacing, sha256, write_json, write_text
from medgraft.nets import Created, Network
from medgraft.nets.weights import parameters, save_weights
from medgraft.prepare.store import default_cache
from medgraft.runs import RunFolder
from medgraft.seeds import derive
from medgraft.train import checkpoint
from medgraft.train.averaging import estimate_norms, mean_weights
from medgraft.train.batches import Batches
from medgraft.train.beginning import agree, check_same, open_folder
from medgraft.train.data import Data, load_data
from medgraft.train.ensemble import Ensemble, with_weights
from medgraft.train.examples import write_examples
from medgraft.train.hardware import Compute, find_device
from medgraft.train.judging import by_name, judge, predictions
from medgraft.train.loop import Loop, Progress
from medgraft.train.prefix import Prefix, check_room, keep_prefix, sentence
from medgraft.train.processes import Processes
from medgraft.train.recipe import Recipe, save_recipe
from medgraft.train.record import FINISHED, RUNNING, STOPPED, Record, now
from medgraft.train.setup import (
    check_choices,
    last_stage,
    make_batches,
    make_network,
    make_objective,
    make_predictor,
    plan,
    resolve,
)
from medgraft.train.solve import check_solvable, solve
from medgraft.train.strategies import Phase, Solver, find_strategy
from medgraft.train.supervised import Predictor, Supervised
from medgraft.train.top import Member
from medgraft.train.tta import find_views


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
        check_choices(self.recipe)
        open_folder(self.run, resume=self.resume, processes=self.processes)
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
            compute = agree(device, self.recipe, self.processes)
        with self.record.phase("prepare"):
            data = self._data(compute)
        torch.manual_seed(self.recipe.seed)
        made = make_network(self.recipe, data)
        predictor = make_predictor(made, data, compute, self.processes)
        batches = make_batches(self.recipe, data, compute, self.processes)
        if (solver := plan(self.recipe, made.network.backbone)[0].solver) is not None:
            check_solvable(solver, data, batches, self.recipe.seed)
        self._check_room(predictor, data, batches)
        self._describe(made, data, compute)
        with self.record.phase("train"):
            members = self._fit(predictor, data, batches, compute)
            # from here on in float32, so that the very same numbers come from `medgraft predict`
            ensemble = self._combine(replace(predictor, autocast=False), members, batches)
        with self.record.phase("predict"):
            table = predictions(ensemble, data)
            self.record.data["test_read"] = now()
        if self.processes.first:
            self._write(made, ensemble, members, data, table)

    # --- before training ---------------------------------------------------------------

    def _check_room(self, predictor: Predictor, data: Data, batches: Batches) -> None:
        """Refuse more kept views than the disk holds while nothing has been written."""
        if not self.recipe.kept_views:
            return
        for phase in plan(self.recipe, predictor.network.backbone):
            predictor.network.freeze_through(phase.freeze_through, norms=phase.norms)
            check_room(
                predictor,
                batches,
                data.rows("val"),
                views=self.recipe.kept_views,
                epochs=phase.epochs,
                folder=self.run.path,
            )

    def _data(self, compute: Compute) -> Data:
        """The data, and the recipe with everything that was left open filled in."""
        # the lock of the store lets one of several processes build it; they share its pages
        memory_bytes = None if self.processes.world == 1 else 0
        data = load_data(self.index_path, self.recipe, default_cache(), memory_bytes=memory_bytes)
        self.recipe = resolve(self.recipe, data, compute)
        if self.resume:
            check_same(self.run, self.recipe, data.index, self.index_path)
        return data

    def _describe(self, made: Created, data: Data, compute: Compute) -> None:
        for said in data.notes:
            self.record.note(said)
        phases = plan(self.recipe, made.network.backbone)
        total, _ = parameters(made.network)
        loaded = made.fit.told if made.fit else "random"
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
                "after": last_stage(self.recipe),
                "strategy": self.recipe.strategy,
                "weights": self.recipe.weights,
                "loaded": loaded,
                "not_used": made.fit.unused if made.fit else [],
                "parameters": total,
                "trainable": max(_learning(made.network, phase) for phase in phases),
                "phases": [asdict(phase) for phase in phases],
            },
        }
        if self.processes.first:
            save_recipe(self.recipe, self.run.recipe)  # from here on the run can be resumed
            data.index.save(self.run.index)
            write_text(self.run.rejects, data.rejects.write_csv())
        self._save(RUNNING)

    # --- training ----------------------------------------------------------------------

    def _fit(
        self, predictor: Predictor, data: Data, batches: Batches, compute: Compute
    ) -> list[Member]:
        """Train through all phases, to the best weights; others that are kept, best first."""
        before: Loop | None = None
        phases = plan(self.recipe, predictor.network.backbone)
        if (solver := phases[0].solver) is not None:
            self._solve(solver, predictor, data, batches)
            return []
        for number, phase in enumerate(phases):
            objective = make_objective(self.recipe, predictor, data, batches, phase)
            seed = derive(self.recipe.seed, "phase", number) if number else self.recipe.seed
            settings: dict[str, Any] = {"epochs": phase.epochs, "rate": phase.rate, "seed": seed}
            settings |= {"schedule": phase.schedule} if phase.schedule else {}
            loop = Loop(
                objective,
                replace(batches, seed=seed),
                self.recipe.model_copy(update=settings),
                folder=self.run.checkpoint / f"phase-{number}",
                processes=self.processes,
                autocast=compute.autocast,
                keep_best=self.recipe.keep_best,
                on_epoch=self._write_history,
            )
            loop.follow(before)
            if self.resume:
                loop.resume()
            with self._prefix_kept(loop, objective):
                loop.run()
            before = loop
        for report in self.record.data["kept"]:
            self.record.note(sentence(report))
        assert before is not None, "a strategy without a phase"
        self._describe_best(before.progress)
        return before.members("network")

    def _describe_best(self, progress: Progress) -> None:
        if not progress.best:
            self.record.note("No validation image has a label: the last weights were taken.")
            return
        epoch = progress.best["epoch"]
        row = next(row for row in progress.history if row["epoch"] == epoch)
        metric = "auroc_val" if "auroc_val" in row else "loss_val"
        self.record.data["best"] = {"epoch": epoch, "metric": metric, "value": row[metric]}

    @contextmanager
    def _prefix_kept(self, loop: Loop, objective: Supervised) -> Iterator[None]:
        """Have a loop train on what still stages made of the images, where that saves time."""
        folder = self.run.checkpoint / f"prefix-{loop.recipe.seed}"
        begun = loop.progress.step
        prefix: Prefix | None = None
        if not loop.ended:
            prefix = keep_prefix(
                objective.predictor,
                loop.batches,
                objective.held_out,
                views=self.recipe.kept_views,
                epochs=loop.recipe.epochs,
                folder=folder,
            )
        if prefix is not None:
            objective.kept = prefix
            loop.batches = replace(loop.batches, views=prefix.training)
        yield
        if prefix is not None:
            epochs = (loop.progress.step - begun) // loop.batches.per_epoch
            self.record.data["kept"].append(prefix.report(epochs))
        shutil.rmtree(folder, ignore_errors=True)

    def _solve(self, solver: Solver, predictor: Predictor, data: Data, batches: Batches) -> None:
        if self.processes.first:
            solved = solve(solver, predictor, data, batches, self.recipe)
            self.record.data["network"]["fitted"] = solved.fitted
            for note in solved.notes:
                self.record.note(note)
            self._write_history(solved.tried)
        self.processes.copy_from_first(predictor.network)

    def _combine(self, predictor: Predictor, members: list[Member], batches: Batches) -> Ensemble:
        """What answers: the best network, or several, or their mean; and the views it takes."""
        found = [predictor]
        epochs = ", ".join(f"{member.epoch:g}" for member in members)
        if len(members) > 1 and self.recipe.combine == "average":
            predictor.network.load_state_dict(mean_weights([m.weights for m in members]))
            estimate_norms(predictor, batches, seed=self.recipe.seed)
            self.record.note(
                f"The weights are the mean of those after {epochs} epochs, the best on validation;"
                " the statistics of batch norms were gathered anew on the training images."
            )
        elif len(members) > 1:
            found += [with_weights(predictor, member.weights) for member in members[1:]]
            self.record.note(
                f"Probabilities are the mean over {len(members)} networks: those after {epochs}"
                " epochs, the best on validation."
            )
        if members and len(members) < self.recipe.keep_best:
            self.record.note(
                f"keep_best is {self.recipe.keep_best}, but there were {len(members)} validations."
            )
        return Ensemble(tuple(found), find_views(self.recipe.tta))

    def _write_history(self, history: Sequence[Mapping[str, Any]]) -> None:
        # of all rows: columns that a later phase adds are not among the first hundred
        table = pl.DataFrame(history, infer_schema_length=None)
        write_text(self.run.history, table.write_csv())

    # --- after training ----------------------------------------------------------------

    def _write(
        self,
        made: Created,
        ensemble: Ensemble,
        members: list[Member],
        data: Data,
        table: pl.DataFrame,
    ) -> None:
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
        self._write_weights(made, ensemble, members, data, found)
        self._save(FINISHED)
        checkpoint.remove(self.run.checkpoint)

    def _write_weights(
        self,
        made: Created,
        ensemble: Ensemble,
        members: list[Member],
        data: Data,
        found: dict[str, Any],
    ) -> None:
        network, normalise = ensemble.best.network, ensemble.best.normalise
        backbone = network.backbone
        written = {
            "backbone": backbone.name,
            "options": made.options,
            "after": last_stage(self.recipe),
            "head": find_strategy(self.recipe.strategy, weights=self.recipe.weights).head,
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
            "tta": self.recipe.tta,
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
        written["members"] = self._write_members(ensemble, members, notes)
        write_json(self.run.weights_record, {**written, "hash": sha256(self.run.weights)})

    def _write_members(
        self, ensemble: Ensemble, members: list[Member], notes: dict[str, str]
    ) -> list[dict[str, Any]]:
        """Write the other networks of an ensemble; what weights.json says of each."""
        written = []
        for number, predictor in enumerate(ensemble.predictors[1:], start=2):
            file, member = self.run.members / f"{number}.safetensors", members[number - 1]
            save_weights(predictor.network, file, notes)
            name = file.relative_to(self.run.path).as_posix()
            about = {"epoch": member.epoch, "score": member.score}
            written.append({"file": name, "hash": sha256(file), **about})
        return written

    def _save(self, status: str) -> None:
        if self.processes.first:
            self.record.save(status)


def _learning(network: Network, phase: Phase) -> int:
    """Parameters that learn in a phase; leaves the network frozen for it."""
    network.freeze_through(phase.freeze_through, norms=phase.norms)
    return parameters(network)[1]
