"""Would choosing have saved labels? An archive that is labelled already plays the pool.

The training part is the pool, the validation part steers each training, and the test part judges:
after every round the model answers its images, the answers are written down, and nothing reads them
before the report is made. No decision can have used them.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from medgraft import __version__
from medgraft.active.acquisition import acquisitions
from medgraft.active.arms import Arm, make_arms
from medgraft.active.candidates import Candidates, check_batch
from medgraft.active.learner import Learner, Looks, State, never_learns
from medgraft.active.oracle import Hidden, hide
from medgraft.active.rounds import ANSWERS, ROUNDS, Play, write_answers
from medgraft.active.settings import FREE, Settings
from medgraft.active.stopping import Standing, stopping
from medgraft.active.trunk import Elsewhere, check_views
from medgraft.augment import Augmenter
from medgraft.errors import ArgumentError, OutputError, TableError, TrainingError
from medgraft.files import read_json, replacing, sha256, write_json
from medgraft.index import Index
from medgraft.nets import outline
from medgraft.phantoms import is_archive
from medgraft.prepare.store import default_cache
from medgraft.progress import bar
from medgraft.runs import RunFolder
from medgraft.seeds import derive
from medgraft.spec import build
from medgraft.train.beginning import FREE as MACHINE
from medgraft.train.beginning import write_beginning
from medgraft.train.continuing import slower
from medgraft.train.hardware import choose, describe, find_device, versions
from medgraft.train.recipe import Recipe, load_recipe
from medgraft.train.record import now
from medgraft.train.setup import check_choices, last_stage, resolve

SIMULATION, RUNS, FULL, TRUTH = "simulation.json", "runs", "full", "test.parquet"


def simulate(
    index_path: Path,
    out: Path,
    recipe: Recipe,
    settings: Settings,
    *,
    command: list[str],
    elsewhere: Elsewhere | None = None,
) -> Path:
    """Play every arm with every seed, then train on all labels for comparison.

    Called again it goes on where it was stopped, to the same bits; arms and seeds may be added.

    Args:
        index_path: An index with labels and a split.
        out: A new or empty folder, or that of a simulation to go on with.
        recipe: Of all trainings; its seed is the first.
        settings: What is asked.
        command: How this was called, for the record.
        elsewhere: Where images pass the network when it answers, if not in this process.

    Returns:
        The folder, complete but for the page.

    Raises:
        ArgumentError, UnknownNameError: If a name or an option is wrong.
        TableError, LeakageError: If the index is not usable.
        OutputError: If `out` holds something else.
        KeyboardInterrupt: If stopped; every finished round is kept.
    """
    arms = _check(recipe, settings)
    _check_out(out)
    if recipe.threads is not None:
        torch.set_num_threads(recipe.threads)
    index = Index.load(index_path)
    _check_candidate(settings.candidate, index)
    hidden = hide(index, recipe, default_cache())
    compute = choose(
        find_device(recipe.device), recipe.precision, recipe.memory_format, default_cache()
    )
    recipe = resolve(recipe, hidden.data, compute)
    candidates = Candidates.of(hidden.data.index.frame, hidden.pool, settings.candidate)
    check_batch(candidates, settings.batch, settings.rounds, settings.start)
    seeds = [recipe.seed + number for number in range(settings.seeds)]
    record = _record(arms, seeds, hidden, candidates, settings, command, index_path)
    record["compute"] = {"precision": compute.precision, "device": str(compute.device)}
    record["frozen"] = never_learns(recipe, outline(recipe.backbone, after=last_stage(recipe)))
    _begin(out, hidden, recipe, record)
    learner = Learner.of(
        recipe,
        hidden.data,
        compute,
        hidden.pool,
        looks=Looks(settings.views, settings.passes),
        many=_many(arms),
        least_steps=settings.least_steps,
        folder=out,
        elsewhere=elsewhere,
    )
    _play(learner, hidden, candidates, arms, seeds, settings, out)
    shutil.rmtree(learner.model.folder, ignore_errors=True)
    stops = {arm.name: _stops(out / RUNS / arm.folder, seeds, settings) for arm in arms}
    write_json(out / SIMULATION, {**record, "stops": stops, "finished": now()})
    return out


def _play(
    learner: Learner,
    hidden: Hidden,
    candidates: Candidates,
    arms: list[Arm],
    seeds: list[int],
    settings: Settings,
    out: Path,
) -> None:
    """Seed after seed, so that a simulation that was stopped has whole seeds; all labels last."""
    rounds = settings.rounds + bool(settings.start)
    shown = bar(total=len(seeds) * (len(arms) * rounds + 1), what="simulate", unit="round")
    firsts = {seed: learner.first(derive(seed, "head")) for seed in seeds}
    try:
        for seed, first in firsts.items():
            for arm in arms:
                folder = out / RUNS / arm.folder / str(seed)
                play = Play(
                    arm,
                    seed,
                    learner,
                    first,
                    hidden,
                    hidden.oracle(),
                    candidates,
                    settings,
                    folder,
                )
                play.go(lambda: shown.update(1))
        for seed, first in firsts.items():
            _train_on_all(learner, first, hidden, seed, out / FULL / str(seed))
            shown.update(1)
    finally:
        shown.close()


def _train_on_all(learner: Learner, first: State, hidden: Hidden, seed: int, folder: Path) -> None:
    """What all labels together give: from M_0, after every arm has bought all that it buys."""
    answers = folder / ANSWERS
    if answers.is_file():
        return
    truth = hidden.oracle().buy(hidden.pool)
    learner.train(first, hidden.pool, truth, seed=derive(seed, "train", "full"))
    write_answers(answers, hidden, [learner.answers(hidden.data.places("test"))])


def _stops(folder: Path, seeds: list[int], settings: Settings) -> dict[str, list[int | None]]:
    """After which round each rule would have stopped, seed by seed; None if after none."""
    found: dict[str, list[int | None]] = {text: [] for text in settings.stop}
    for seed in seeds:
        history = [
            Standing(row["labels"], row["score"], row["agreement"])
            for row in read_json(folder / str(seed) / ROUNDS)
        ]
        for text, rounds in found.items():
            rule = build(stopping, text)
            ends = (n for n in range(len(history)) if rule(history[: n + 1]) is not None)
            rounds.append(next(ends, None))
    return found


# --- before anything is computed --------------------------------------------------------


def _check(recipe: Recipe, settings: Settings) -> list[Arm]:
    """Refuse what cannot be done, while nothing has been prepared."""
    if recipe.task != "classification":
        raise ArgumentError(f"a simulation is about labels, got task {recipe.task!r}.")
    if recipe.labels_per_class is not None:
        raise ArgumentError(
            f"labels_per_class belongs to a single training, got {recipe.labels_per_class}: a"
            " simulation buys its labels. Leave it out."
        )
    if recipe.slices is not None:
        raise ArgumentError(
            f"a simulation looks at whole images and volumes, got slices {recipe.slices}. Leave"
            " --slices out, or choose a backbone for volumes."
        )
    if recipe.samples is not None:
        raise ArgumentError(
            f"a simulation learns from bought labels alone, got samples {recipe.samples!r}. Leave --samples out."
        )
    if recipe.keep_best > 1:
        raise ArgumentError(
            f"a simulation answers with one network, got keep_best {recipe.keep_best}."
        )
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise TrainingError("a simulation is run by one process, got several. Leave torchrun out.")
    arms = make_arms(settings.acquisitions, settings.strategies)
    for text in settings.stop:
        build(stopping, text)
    check_choices(recipe)
    if _many(arms) and not settings.passes:
        dims = outline(recipe.backbone).dims
        check_views(Augmenter(recipe.augment, dims) if recipe.augment else None)
    for arm in arms:
        if arm.strategy.start == "last":
            slower(recipe, arm.strategy.divide)  # a fitted head does not go on learning
    return arms


def _check_candidate(column: str | None, index: Index) -> None:
    """Refuse groups that are told apart by what nobody knows before it is bought."""
    if column in index.labels:
        raise ArgumentError(
            f"candidates must be groups that are known without a label, such as study_id, and"
            f" {column!r} is a label. Choose another --candidate."
        )


def _many(arms: list[Arm]) -> bool:
    """Whether an arm compares several answers about one image."""
    return any(build(acquisitions, arm.acquisition).compares for arm in arms)


def _check_out(out: Path) -> None:
    if out.exists() and not (
        out.is_dir() and ((out / SIMULATION).is_file() or not any(out.iterdir()))
    ):
        raise OutputError(
            f"--out must be a new or empty folder, or that of a simulation (with {SIMULATION}), but"
            f" '{out}' holds something else. Choose another name."
        )


def _begin(out: Path, hidden: Hidden, recipe: Recipe, record: dict[str, Any]) -> None:
    """Write what the simulation is made of, or find that it is the one that was begun."""
    kept, index = RunFolder(out), hidden.data.index.with_frame(hidden.truth)
    if (out / SIMULATION).is_file() and kept.index.is_file():
        _check_same(out, index, recipe, record["settings"])
    write_json(out / SIMULATION, record)  # by this file the folder is known, so it is the first
    if not kept.index.is_file():
        _write_truth(out / TRUTH, hidden)
        write_beginning(kept, recipe, index, hidden.data.rejects)


def _check_same(out: Path, index: Index, recipe: Recipe, asked: dict[str, Any]) -> None:
    kept, before = RunFolder(out), read_json(out / SIMULATION)["settings"]
    changed = [key for key in asked if key not in FREE and before.get(key) != asked[key]]
    old, new = load_recipe(kept.recipe).model_dump(), recipe.model_dump()
    changed += [key for key in new if key not in MACHINE and old[key] != new[key]]
    if changed:
        raise ArgumentError(
            f"a simulation that has begun must keep its settings, but {', '.join(changed)} of"
            f" '{out}' differ. Give those it began with, or another --out. Arms, seeds, stopping"
            " rules and prices may change."
        )
    if not Index.load(kept.index).frame.equals(index.frame):
        raise TableError(
            f"a simulation must keep its rows and their split, but those of the index are no longer"
            f" those of '{kept.index}'. Give the index it began with, or another --out."
        )


def _write_truth(path: Path, hidden: Hidden) -> None:
    """Write what the test images show, for the report: image_id, patient_id and y_<name>."""
    rows, target = hidden.truth[hidden.data.places("test")], hidden.data.target
    truth = target.matrix(rows)
    columns = (
        pl.Series(f"y_{name}", truth[:, k]).fill_nan(None).cast(pl.Int8)
        for k, name in enumerate(target.names)
    )
    with replacing(path) as temporary:
        rows.select("image_id", "patient_id").with_columns(*columns).write_parquet(temporary)


def _record(
    arms: list[Arm],
    seeds: list[int],
    hidden: Hidden,
    candidates: Candidates,
    settings: Settings,
    command: list[str],
    index_path: Path,
) -> dict[str, Any]:
    data = hidden.data
    images = hidden.data.index.frame["split"].value_counts()
    counts = dict(images.iter_rows())
    return {
        "medgraft": __version__,
        "command": command,
        "started": now(),
        "finished": None,
        "settings": settings.model_dump(mode="json"),
        "arms": [
            {
                "name": arm.name,
                "acquisition": arm.acquisition,
                "strategy": arm.strategy.spec,
                "reference": arm.reference,
                "folder": f"{RUNS}/{arm.folder}",
            }
            for arm in arms
        ],
        "seeds": seeds,
        "kind": data.target.kind,
        "names": list(data.target.names),
        "positive": data.target.positive,
        "patients_known": data.index.patients_known,
        "synthetic": is_archive(data.index.root),
        "candidates": len(candidates),
        "pool": len(hidden.pool),
        "validation": counts.get("val", 0),
        "test": counts.get("test", 0),
        "sizes": {
            "least": int(candidates.sizes.min()),
            "mean": float(np.mean(candidates.sizes)),
            "largest": int(candidates.sizes.max()),
        },
        "inputs": {"index": sha256(index_path)},
        "hardware": describe(),
        "versions": versions(),
        "notes": list(data.notes),
    }
