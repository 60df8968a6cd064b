"""The main job: prepare, train, predict, judge, and leave a run folder that explains itself."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from medgraft.files import sha256, write_json
from medgraft.nets import Created
from medgraft.nets.backbones import find
from medgraft.nets.network import Staged
from medgraft.nets.weights import parameters, save_weights
from medgraft.prepare.store import default_cache
from medgraft.runs import RunFolder
from medgraft.train import checkpoint
from medgraft.train.averaging import estimate_norms, mean_weights
from medgraft.train.beginning import (
    agree,
    check_same,
    circumstances,
    marked_if_stopped,
    open_run,
    write_beginning,
    write_history,
)
from medgraft.train.data import Data
from medgraft.train.ensemble import with_weights
from medgraft.train.forgetting import look_back
from medgraft.train.hardware import Compute, find_device
from medgraft.train.loop import Progress
from medgraft.train.phases import train_phases
from medgraft.train.prefix import sentence
from medgraft.train.processes import Processes
from medgraft.train.recipe import Recipe
from medgraft.train.record import FINISHED, RUNNING, now
from medgraft.train.setup import check_choices, last_stage, plan, resolve
from medgraft.train.strategies import Phase, Solver
from medgraft.train.task import Batching, Predictor, Task, find_task
from medgraft.train.top import Member


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
        self.record = open_run(
            self.run, self.recipe, self.command, resume=self.resume, processes=self.processes
        )
        with marked_if_stopped(self.run, self._save):
            self._phases()
        return self.run if self.processes.first else None

    def _phases(self) -> None:
        device = find_device(self.recipe.device, self.processes.local)
        with self.record.phase("measure machine"):
            dims = find(self.recipe.backbone).dims
            compute = agree(device, self.recipe, self.processes, dims=dims)
        with self.record.phase("prepare"):
            self.task = self._task(compute)
        torch.manual_seed(self.recipe.seed)
        made = self.task.network(self.recipe)
        predictor = self.task.predictor(self.recipe, made, compute, self.processes)
        batches = self.task.batches(self.recipe, compute, self.processes)
        self.task.check(self.recipe, predictor, batches, self.run.path)
        self._describe(made, compute)
        with self.record.phase("train"):
            members = self._fit(predictor, batches, compute)
            # from here on in float32, so that the very same numbers come from `medgraft predict`
            found = self._combine(replace(predictor, autocast=False), members, batches)
            answering = self.task.answering(found, self.recipe)
        with self.record.phase("predict"):
            answers = self.task.answers(answering)
            self.record.data["test_read"] = now()
        self._look_back(answering)
        if self.processes.first:
            with self.record.phase("evaluate"):
                judged = self.task.judge(self.run, answers, self.recipe)
            self.task.show(self.run, answering, answers, judged)
            self._write_weights(made, found, members, judged)
            self._save(FINISHED)
            checkpoint.remove(self.run.checkpoint)

    def _look_back(self, answering: Any) -> None:
        """Of a run that goes on from another: what it still knows of what that one knew."""
        if self.recipe.continues is None:
            return
        assert isinstance(self.task.data, Data)  # masks are refused with it
        with self.record.phase("look back"):
            found = look_back(self.recipe, answering, self.task.data)
        if self.processes.first:
            write_json(self.run.forgetting, found)
        if "reason" in found:
            self.record.note(f"What was forgotten could not be measured: {found['reason']}")

    # --- before training ---------------------------------------------------------------

    def _task(self, compute: Compute) -> Task:
        """The data, and the recipe with everything that was left open filled in."""
        # the lock of the store lets one of several processes build it; they share its pages
        memory_bytes = None if self.processes.world == 1 else 0
        task = find_task(self.recipe).load(
            self.index_path, self.recipe, default_cache(), memory_bytes=memory_bytes
        )
        self.recipe = resolve(self.recipe, task.data, compute)
        if self.resume:
            check_same(self.run, self.recipe, task.data.index, self.index_path)
        return task

    def _describe(self, made: Created[Any], compute: Compute) -> None:
        data = self.task.data
        for said in (*data.notes, *(made.fit.doubts if made.fit else ())):
            self.record.note(said)
        phases = plan(self.recipe, made.network.backbone)
        total, _ = parameters(made.network)
        loaded = made.fit.told if made.fit else "random"
        self.record.data |= {
            **circumstances(self.index_path, made.weights, compute, self.processes),
            "data": data.summary(),
            "network": {
                "backbone": self.recipe.backbone,
                "after": last_stage(self.recipe),
                "learns_from": data.slicing and data.slicing.told(data.store.shape),
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
            write_beginning(self.run, self.recipe, data.index, data.rejects)
        self._save(RUNNING)

    # --- training ----------------------------------------------------------------------

    def _fit(self, predictor: Predictor, batches: Batching, compute: Compute) -> list[Member]:
        """Train through all phases, to the best weights; others that are kept, best first."""
        phases = plan(self.recipe, predictor.network.backbone)
        if (solver := phases[0].solver) is not None:
            self._solve(solver, predictor, batches)
            return []
        kept = self.record.data["kept"]
        loop = train_phases(
            phases,
            self.recipe,
            batches,
            objective=partial(self.task.objective, self.recipe, predictor, batches),
            keeping=lambda loop, folder: self.task.keeping(loop, self.recipe, folder, kept),
            folder=self.run.checkpoint,
            resume=self.resume,
            processes=self.processes,
            autocast=compute.autocast,
            on_epoch=partial(write_history, self.run),
        )
        for report in kept:
            self.record.note(sentence(report))
        self._describe_best(loop.progress)
        return loop.members("network")

    def _describe_best(self, progress: Progress) -> None:
        if not progress.best:
            self.record.note("No validation image has a label: the last weights were taken.")
            return
        epoch = progress.best["epoch"]
        row = next(row for row in progress.history if row["epoch"] == epoch)
        metric = next(m for m in ("dice_val", "auroc_val", "loss_val") if m in row)
        self.record.data["best"] = {"epoch": epoch, "metric": metric, "value": row[metric]}

    def _solve(self, solver: Solver, predictor: Predictor, batches: Batching) -> None:
        if self.processes.first:
            solved = self.task.solve(solver, predictor, batches, self.recipe)
            self.record.data["network"]["fitted"] = solved.fitted
            for note in solved.notes:
                self.record.note(note)
            write_history(self.run, solved.tried)
        self.processes.copy_from_first(predictor.network)

    def _combine(
        self, predictor: Predictor, members: list[Member], batches: Batching
    ) -> list[Predictor]:
        """What answers: the best network, or several, or their mean; best first."""
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
        return found

    # --- after training ----------------------------------------------------------------

    def _write_weights(
        self,
        made: Created[Any],
        predictors: list[Predictor],
        members: list[Member],
        found: dict[str, Any],
    ) -> None:
        data = self.task.data
        network, normalise = predictors[0].network, predictors[0].normalise
        backbone = network.backbone
        written = {
            "backbone": backbone.name,
            "options": made.options,
            "after": last_stage(self.recipe),
            "stages": {name: backbone.channels[name] for name in backbone.names},
            "channels": backbone.in_channels,
            "input_size": list(data.shape[1:]),
            "steps": list(self.recipe.steps or ()),
            "scale": data.store.scale,
            "mean": normalise.mean,
            "std": normalise.std,
            "statistics_of": normalise.origin,
            **self.task.record(self.recipe, found),
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
        written["members"] = self._write_members(predictors[1:], members, notes)
        write_json(self.run.weights_record, {**written, "hash": sha256(self.run.weights)})

    def _write_members(
        self, others: list[Predictor], members: list[Member], notes: dict[str, str]
    ) -> list[dict[str, Any]]:
        """Write the other networks of an ensemble; what weights.json says of each."""
        written = []
        for number, predictor in enumerate(others, start=2):
            file, member = self.run.members / f"{number}.safetensors", members[number - 1]
            save_weights(predictor.network, file, notes)
            name = file.relative_to(self.run.path).as_posix()
            about = {"epoch": member.epoch, "score": member.score}
            written.append({"file": name, "hash": sha256(file), **about})
        return written

    def _save(self, status: str) -> None:
        if self.processes.first:
            self.record.save(status)


def _learning(network: Staged, phase: Phase) -> int:
    """Parameters that learn in a phase; leaves the network frozen for it."""
    network.freeze_through(phase.freeze_through, norms=phase.norms)
    return parameters(network)[1]
