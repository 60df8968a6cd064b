"""Many runs from a file, as one experiment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medgraft.errors import ArgumentError, MedgraftError
from medgraft.files import sha256, write_json
from medgraft.index import Index
from medgraft.index.target import Target
from medgraft.runs import RunFolder
from medgraft.study.experiment import EXPERIMENT, INDEX, RUNS, check_out, check_seeds, keep_index
from medgraft.study.file import StudyFile
from medgraft.study.grid import Planned, plan_runs
from medgraft.study.launch import Job, Mirror, Outcome, Spread, launch
from medgraft.study.making import Finish
from medgraft.study.protocols import find_protocol
from medgraft.study.weigh import distinct, weigh_networks
from medgraft.train.data import few_labels
from medgraft.train.recipe import Recipe, check_recipe
from medgraft.train.setup import check_choices


def run_study(
    study: StudyFile,
    folder: Path,
    index_path: Path,
    out: Path,
    *,
    command: list[str],
    finish: Finish = str,
    spread: Spread | None = None,
    mirror: Mirror | None = None,
) -> list[Outcome]:
    """Make every run of a study that is not there yet, and write down which run is which.

    All runs have the rows and the split of `out/index.parquet`. Called again, it goes on where it
    was stopped; values may be added to the axes, and no finished run is repeated.

    Args:
        study: What to run.
        folder: That of the study file, which paths in it are relative to.
        index_path: Written by `medgraft index`; if it has no split, one is made with the test,
            val and seed of the recipe that the runs share.
        out: Folder of the study: a new one, or one to go on with.
        command: How this was called, for the records.
        finish: Called with every finished run folder, to write its report.
        spread: Processes that make the runs; None makes one after another in this process.
        mirror: As for `launch`.

    Returns:
        One outcome per run, seed after seed.

    Raises:
        ArgumentError, UnknownNameError, WeightsError: If a run cannot be made.
        TableError, LeakageError: If the index is not usable, or is not that of `out`.
        OutputError: If `out` holds something else, or another process makes its runs.
        TrainingError: Under torchrun.
    """
    check_seeds(1)
    check_out(out)
    keep_index(index_path, out / INDEX, _shared(study))
    runs = plan_runs(study, folder, sha256(out / INDEX))
    index = Index.load(out / INDEX)
    check_runs(runs, index)
    score = scored(study, index)
    jobs = [Job(run.name, run.recipe, _kind(run.recipe)) for run in runs]
    minutes = study.budget.minutes
    outcomes = launch(
        jobs,
        out / INDEX,
        out / RUNS,
        command=command,
        finish=finish,
        spread=spread,
        mirror=mirror,
        seconds=None if minutes is None else 60 * minutes,
    )
    _write(study, runs, outcomes, out, score=score, spread=spread)
    return outcomes


def _shared(study: StudyFile) -> Recipe:
    """What says how the index is split, if it is not."""
    keys: dict[str, Any] = {
        key: study.recipe[key] for key in ("test", "val", "seed") if key in study.recipe
    }
    return check_recipe(keys, where="recipe of the study")


def _kind(recipe: Recipe) -> str:
    """Runs of one kind take about as long as each other."""
    return f"{recipe.backbone} {recipe.after} {recipe.labels_per_class} {recipe.strategy}"


def check_runs(runs: Sequence[Planned], index: Index) -> None:
    """Find runs that cannot be made before any is.

    Raises:
        ArgumentError, UnknownNameError, WeightsError, TableError: With the run it is about.
    """
    seen: list[Recipe] = []
    for run in runs:
        recipe = run.recipe.model_copy(update={"seed": 0})
        if recipe in seen:
            continue
        seen.append(recipe)
        try:
            if recipe.task != "classification":
                raise ArgumentError(f"a study is about labels, got task {recipe.task!r}.")
            check_choices(recipe)
            few_labels(index, Target.of(index, positive=recipe.positive), recipe)
        except MedgraftError as error:
            raise type(error)(f"{error} In the run {told(run)}.") from error


def told(run: Planned) -> str:
    """A run by its main settings.

    Examples:
        >>> told(Planned("resnet18-0", Recipe(after="layer3"), "none"))
        'resnet18 up to layer3, weights none, seed 0'
    """
    recipe = run.recipe
    cut = f" up to {recipe.after}" if recipe.after else ""
    return f"{recipe.backbone}{cut}, weights {recipe.weights}, seed {recipe.seed}"


def scored(study: StudyFile, index: Index) -> list[str] | None:
    """Labels whose mean AUROC is the score; None for whatever an evaluation is about.

    Raises:
        ArgumentError: If the study names a label that the index does not have.
    """
    names = Target.of(index).names
    if study.score is not None:
        if missing := [name for name in study.score if name not in names]:
            raise ArgumentError(
                f"score must name labels of the index, but {', '.join(missing)} are none of"
                f" {', '.join(names)}."
            )
        return list(study.score)
    wanted = find_protocol(study.protocol).score if study.protocol else None
    return list(wanted) if wanted and set(wanted) <= set(names) else None


# --- what is written -------------------------------------------------------------------------


def _write(
    study: StudyFile,
    runs: Sequence[Planned],
    outcomes: Sequence[Outcome],
    out: Path,
    *,
    score: list[str] | None,
    spread: Spread | None,
) -> None:
    made = [
        _made(run, outcome, out)
        for run, outcome in zip(runs, outcomes, strict=True)
        if not outcome.waits
    ]
    done = [one for one in made if one["failure"] is None]
    networks = [RunFolder(out / one["folder"]) for one in done]
    write_json(
        out / EXPERIMENT,
        {
            "title": study.title,
            "protocol": study.protocol and find_protocol(study.protocol).source,
            "replicates": study.replicates,
            "score": score,
            "planned": len(runs),
            "launch": _launch(spread),
            "cost": weigh_networks(distinct([one["network"] for one in done], networks), out)
            if done
            else None,
            "runs": made,
        },
    )


def _launch(spread: Spread | None) -> dict[str, Any]:
    if spread is None:
        return {"workers": 1, "threads": None, "cores": None}
    places = spread.places
    return {"workers": places.workers, "threads": places.threads, "cores": places.cores}


def _made(run: Planned, outcome: Outcome, out: Path) -> dict[str, Any]:
    recipe = run.recipe
    return {
        "network": network_name(recipe),
        "backbone": recipe.backbone,
        "after": recipe.after,
        "weights": run.weights,
        "others": run.others,
        "seed": recipe.seed,
        "folder": outcome.folder.relative_to(out).as_posix(),
        "failure": outcome.failure,
        "attempts": outcome.attempts,
    }


def network_name(recipe: Recipe) -> str:
    """What a network is called on the page: images of another size cost other operations.

    Examples:
        >>> network_name(Recipe(after="layer3", size=64))
        'resnet18 to layer3, 64 px'
    """
    cut = f" to {recipe.after}" if recipe.after else ""
    return f"{recipe.backbone}{cut}, {recipe.size} px"
