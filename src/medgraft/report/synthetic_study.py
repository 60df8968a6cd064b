"""Did generated images help? The answer, curves against labels, and tests, on one page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medgraft.files import write_json, write_text
from medgraft.report import remarks
from medgraft.report.contracts import PretrainingStudy, read_part
from medgraft.report.pretraining_study import (
    bounds,
    curves_figure,
    difference_rows,
    finished_tunings,
    run_row,
    score_rows,
)
from medgraft.report.saved import Saved
from medgraft.report.starts import BOTH, TESTS, worth
from medgraft.report.template import fill_page
from medgraft.report.words import count, label, settings_without_folders, signed, without_folders
from medgraft.runs import RunFolder

NONE, ALONE = "none", "labelled images alone"


def write_synthetic_study(folder: Path, *, replicates: int = 1000, seed: int = 0) -> Path:
    """Write generate-study.json, generate-study.html and the figure, from saved files alone.

    Args:
        folder: Of the experiment, with experiment.json and the run folders that it names.
        replicates: Bootstrap replicates.
        seed: Of the replicates.

    Returns:
        Path of generate-study.html.

    Raises:
        TableError: If a file is missing or not as it must be; the message names it.
        TrainingError: If no training is finished.
    """
    folder = Path(folder)
    asked = read_part(PretrainingStudy, folder / "experiment.json")
    saved = finished_tunings(asked, folder)
    found = worth(asked, saved, replicates=replicates, seed=seed)
    found["notes"] = [BOTH, TESTS]
    del found["added"], found["saved"]  # of pretrainings
    short = shown([start.name for start in asked.starts])
    for one in (*found["starts"], *found["gains"]):
        one["start"] = short[one["start"]]
    names = short | {NONE: ALONE}
    found["answer"] = " ".join(answer(found))
    write_json(folder / "generate-study.json", found)
    drawing = curves_figure(found, none=ALONE)
    write_text(RunFolder(folder).figures / f"{drawing.name}.svg", drawing.alone())
    page = folder / "generate-study.html"
    runs = [run for run in asked.runs if run.labels]
    write_text(
        page,
        fill_page(
            "synthetic_study.html.j2",
            found=found,
            task=remarks.task(next(iter(saved.values())).evaluation),
            answer=answer(found),
            warnings=_warnings(asked, saved),
            drawing=drawing,
            rows=score_rows(found, none=ALONE),
            gains=difference_rows(found["gains"], none=ALONE),
            runs=[
                run_row(run, saved, folder, none=ALONE) | {"start": names.get(run.start, run.start)}
                for run in runs
            ],
        ),
    )
    return page


def shown(names: Sequence[str]) -> dict[str, str]:
    """What to call each arm: without the folders of runs that it draws from, unless two would be one.

    Examples:
        >>> shown(["none", "augment:/home/ann/runs/vae+screen"])
        {'none': 'none', 'augment:/home/ann/runs/vae+screen': 'augment:vae+screen'}
    """
    short = {name: settings_without_folders(name) for name in names}
    return short if len(set(short.values())) == len(short) else {name: name for name in names}


def answer(found: Mapping[str, Any]) -> tuple[str, str]:
    """Whether generated images helped at the fewest labels and at any, and the best of the arms."""
    tested = [one for one in found["gains"] if one["value"] is not None]
    if not tested:
        return "Nothing can be compared with the labelled images alone.", ""
    helped = [one for one in tested if one["excludes_zero"] and one["value"] > 0]
    harmed = [one for one in tested if one["excludes_zero"] and one["value"] < 0]
    every = count(len(tested), "comparison")
    if helped and harmed:
        said = f"Generated images helped in {len(helped)} and harmed in {len(harmed)} of {every}."
    elif helped:
        said = f"Generated images helped in {len(helped)} of {every}, and harmed in none."
    elif harmed:
        said = f"Generated images harmed in {len(harmed)} of {every}, and helped in none."
    else:
        said = f"Generated images made no difference that can be told from chance, in {every}."
    least = found["labels"][0]
    few = [one for one in tested if one["labels"] == least]
    best = max(few or tested, key=lambda one: one["value"])
    return said, (
        f"With {count(best['labels'], 'labelled image')} of each class, the highest"
        f" {label(found['score'])} beside {ALONE} is that of {best['start']}:"
        f" {signed(best['value'])}{bounds(best)}."
    )


def _warnings(asked: PretrainingStudy, saved: Mapping[Any, Saved]) -> list[str]:
    said = [
        f"{run.start} with {run.labels} labels, seed {run.seed}, broke and is left out:"
        f" {without_folders(run.failure)}"
        for run in asked.runs
        if run.failure is not None
    ]
    if len(asked.seeds) == 1:
        said.append("One seed: how far the numbers depend on chance in training is not known.")
    if asked.pretrainings == 1:
        said.append(
            "Each model was trained once: what another generator would have given is not known."
        )
    return [*said, *_shared(list(saved.values()))]


def _shared(saved: Sequence[Saved]) -> list[str]:
    """What must be known of every run."""
    first, *others = ([without_folders(t) for t in remarks.warnings(one)] for one in saved)
    return [text for text in first if all(text in texts for texts in others)]
