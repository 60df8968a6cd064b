"""What pretrainings were worth on one page: the answer, curves against labels, tests, labels saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from medgraft.errors import TrainingError
from medgraft.files import write_json, write_text
from medgraft.report import remarks
from medgraft.report.arms import seconds, spread
from medgraft.report.contracts import Measured, PretrainingStudy, StartedRun, read_part
from medgraft.report.figures import label_curves
from medgraft.report.figures.label_curves import LabelCurve
from medgraft.report.saved import Saved, load_run
from medgraft.report.starts import Key, worth
from medgraft.report.tables import Value
from medgraft.report.template import fill_page
from medgraft.report.words import (
    DASH,
    count,
    duration,
    label,
    number,
    p_value,
    percent,
    signed,
    without_folders,
)
from medgraft.runs import RunFolder

RANDOM = "random weights"
SHORT = 50  # steps of a tuning after which random weights have hardly begun


def write_pretraining_study(folder: Path, *, replicates: int = 1000, seed: int = 0) -> Path:
    """Write pretrain-study.json, pretrain-study.html and the figure, from saved files alone.

    Args:
        folder: Of the experiment, with experiment.json and the run folders that it names.
        replicates: Bootstrap replicates.
        seed: Of the replicates.

    Returns:
        Path of pretrain-study.html.

    Raises:
        TableError: If a file is missing or not as it must be; the message names it.
        TrainingError: If no tuning is finished.
    """
    folder = Path(folder)
    asked = read_part(PretrainingStudy, folder / "experiment.json")
    tunings = [run for run in asked.runs if run.labels]
    saved = finished_tunings(asked, folder)
    found = worth(asked, saved, replicates=replicates, seed=seed)
    found["seconds"] = _seconds(asked, saved, folder)
    found["answer"] = " ".join(answer(found))
    write_json(folder / "pretrain-study.json", found)
    drawing = curves_figure(found)
    write_text(RunFolder(folder).figures / f"{drawing.name}.svg", drawing.alone())
    page = folder / "pretrain-study.html"
    write_text(
        page,
        fill_page(
            "pretraining_study.html.j2",
            found=found,
            task=remarks.task(next(iter(saved.values())).evaluation),
            score=label(found["score"]),
            answer=answer(found),
            warnings=_warnings(asked, list(saved.values())),
            drawing=drawing,
            rows=score_rows(found),
            gains=difference_rows(found["gains"]),
            added=difference_rows(found["added"]),
            saved=saved_rows(found),
            pretrained=pretrained_rows(asked, found, folder),
            runs=[run_row(run, saved, folder) for run in tunings],
        ),
    )
    return page


def finished_tunings(asked: PretrainingStudy, folder: Path) -> dict[Key, Saved]:
    """What each finished tuning has saved, by start, labels and seed.

    Raises:
        TableError: If a file is missing or not as it must be; the message names it.
        TrainingError: If no tuning is finished.
    """
    tunings = [run for run in asked.runs if run.labels]
    saved = {
        (run.start, run.labels, run.seed): load_run(folder / run.folder)
        for run in tunings
        if run.failure is None
    }
    if not saved:
        raise TrainingError(
            f"a study needs a finished tuning, but all {len(tunings)} broke; the first because:"
            f" {tunings[0].failure}"
        )
    return saved


def _seconds(
    asked: PretrainingStudy, saved: Mapping[Key, Saved], folder: Path
) -> dict[str, dict[str, Any]]:
    """Wall time of the pretrainings and of the tunings, by start."""
    found = {}
    for start in asked.starts:
        before = [
            load_seconds(folder / run.folder)
            for run in asked.runs
            if run.start == start.name and not run.labels and run.failure is None
        ]
        own = [seconds(one) for (name, *_), one in saved.items() if name == start.name]
        found[start.name] = {"pretraining": spread(before), "tuning": spread(own)}
    return found


def load_seconds(folder: Path) -> float | None:
    """Wall time of training of a run; None if it was not recorded."""
    from medgraft.report.contracts import Record

    return read_part(Record, RunFolder(folder).record).seconds.get("train")


def curves_figure(found: dict[str, Any], *, none: str = RANDOM) -> Any:
    """The scores of all starts against labels; `none` is what the first of them is called."""
    curves = {
        _start(one["start"], none): LabelCurve.of(one["points"], against=place == 0)
        for place, one in enumerate(found["starts"])
    }
    kind = "Labelled images of each class" if found["score"] == "auroc" else "Images with a mask"
    note = f"Means over {count(len(found['seeds']), 'seed')}."
    score = label(found["score"])
    return label_curves.draw(
        curves,
        score=score,
        title=f"{score} against labels",
        labels=kind,
        steps=True,
        note=note,
    )


def _start(name: str, none: str = RANDOM) -> str:
    return none if name == "none" else name


# --- sentences ----------------------------------------------------------------------------


def answer(found: dict[str, Any]) -> tuple[str, str]:
    """How many starts beat random weights at the fewest labels, the best of them, what it saves."""
    least = found["labels"][0]
    tested = [one for one in found["gains"] if one["labels"] == least and one["value"] is not None]
    if not tested:
        return "No start can be compared with random weights.", ""
    better = [one for one in tested if one["excludes_zero"] and one["value"] > 0]
    worse = [one for one in tested if one["excludes_zero"] and one["value"] < 0]
    said = (
        f"With {_labels(least, found)}, {len(better) or 'none'} of"
        f" {count(len(tested), 'pretraining')} {'is' if len(better) == 1 else 'are'} better than"
        " random weights"
    )
    said += f", {len(worse)} worse." if worse else "."
    best = max(tested, key=lambda one: one["value"])
    shown = (
        f"The highest {label(found['score'])} is that of {best['start']}:"
        f" {signed(best['value'])}{bounds(best)} against random weights."
    )
    return said, " ".join([shown, *_saves(found, best["start"]), *_adds(found, least)])


def _labels(n: int, found: dict[str, Any]) -> str:
    what = "of each class" if found["score"] == "auroc" else "with a mask"
    return f"{count(n, 'labelled image')} {what}"


def bounds(entry: dict[str, Any]) -> str:
    """The interval of a difference in brackets; nothing where there is none."""
    if entry["low"] is None:
        return ""
    return f" ({signed(entry['low'])} to {signed(entry['high'])})"


def _saves(found: dict[str, Any], start: str) -> list[str]:
    own = [one for one in found["saved"] if one["start"] == start and one["value"] is not None]
    if not own:
        return []
    last = own[-1]
    if last["value"] == 0:
        return [f"It saves no labels at the score of {last['labels']}."]
    least = "at least " if last["value"] >= last["most"] - 1e-9 else ""
    ends = ""
    if last["low"] is not None:
        ends = f" ({percent(last['low'])} to {percent(last['high'])})"
    return [
        f"At the score that random weights reach with {last['labels']}, it saves {least}"
        f"{percent(last['value'])} of the labels{ends}."
    ]


def _adds(found: dict[str, Any], least: int) -> list[str]:
    """What naming patterns adds to restoring alone."""
    said = []
    for one in found["added"]:
        if one["labels"] != least or one["value"] is None:
            continue
        word = "not distinguishable from"
        if one["excludes_zero"]:
            word = "better than" if one["value"] > 0 else "worse than"
        said.append(
            f"{one['start']} is {word} {one['minus']} ({signed(one['value'])}"
            f"{', ' + signed(one['low']) + ' to ' + signed(one['high']) if one['low'] is not None else ''})."
        )
    return said


def _warnings(asked: PretrainingStudy, saved: Sequence[Saved]) -> list[str]:
    broken = [
        f"{_what(run)} broke and is left out: {without_folders(run.failure)}"
        for run in asked.runs
        if run.failure is not None
    ]
    few = []
    if len(asked.seeds) == 1:
        few.append("One seed: how far the numbers depend on chance in training is not known.")
    if asked.pretrainings == 1 and len(asked.starts) > 1:
        few.append(
            "Each task was learnt once: what another pretraining would have given is not known."
        )
    if asked.least_steps < SHORT:
        few.append(
            f"Tunings on few labels took {asked.least_steps} steps or little more: a gain there may be"
            " speed and not knowledge. Try --least-steps 150."
        )
    shared = [without_folders(text) for text in remarks.warnings(saved[0])]
    each = [{without_folders(text) for text in remarks.warnings(one)} for one in saved]
    return [*broken, *few, *(text for text in shared if all(text in texts for texts in each))]


def _what(run: StartedRun) -> str:
    kind = f"tuned with {run.labels} labels" if run.labels else "pretrained"
    return f"{run.start}, {kind} (seed {run.seed})"


# --- tables -------------------------------------------------------------------------------


def score_rows(
    found: dict[str, Any], *, none: str = RANDOM
) -> list[tuple[str, list[tuple[Value, str]]]]:
    """A row per start: its name, and for every number of labels the score and its seeds."""
    return [
        (_start(one["start"], none), [_point(point) for point in one["points"]])
        for one in found["starts"]
    ]


def _point(point: dict[str, Any]) -> tuple[Value, str]:
    known = [number(value) for value in point["scores"] if value is not None]
    return Value.of(Measured.model_validate(point)), ", ".join(known)


def difference_rows(
    found: Sequence[dict[str, Any]], *, none: str = RANDOM
) -> list[tuple[str, list[dict[str, str]]]]:
    """A row per pair: what is taken off what, and for every number of labels the difference."""
    rows: dict[str, list[dict[str, str]]] = {}
    for one in found:
        rows.setdefault(f"{one['start']} − {_start(one['minus'], none)}", []).append(
            {
                "shown": signed(one["value"]),
                "bounds": bounds(one).strip(" ()"),
                "p": p_value(one["p_holm"]) if one.get("p_holm") is not None else "",
                "apart": "excludes zero" if one["excludes_zero"] else "",
            }
        )
    return list(rows.items())


def saved_rows(found: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """A row per start: the share of labels it saves at each number of labels of random weights."""
    rows: dict[str, list[str]] = {}
    for one in found["saved"]:
        least = "≥ " if one["value"] and one["value"] >= one["most"] - 1e-9 else ""
        text = DASH if one["value"] is None else f"{least}{percent(one['value'])}"
        if one["low"] is not None:
            text += f" ({percent(one['low'])} to {percent(one['high'])})"
        rows.setdefault(one["start"], []).append(text)
    return list(rows.items())


def pretrained_rows(
    asked: PretrainingStudy, found: dict[str, Any], folder: Path
) -> list[dict[str, Any]]:
    """A row per start: settings of its own, seconds, and links to its pretrainings."""
    rows = []
    for start in asked.starts:
        own = [run for run in asked.runs if run.start == start.name and not run.labels]
        took = found["seconds"][start.name]
        rows.append(
            {
                "start": _start(start.name),
                "settings": ", ".join(f"{k} {v}" for k, v in start.settings.items()) or DASH,
                "pretraining": _mean(took["pretraining"]),
                "tuning": _mean(took["tuning"]),
                "links": [(run.seed, _link(run, folder)) for run in own],
            }
        )
    return rows


def _mean(times: dict[str, Any]) -> str:
    return DASH if times["mean"] is None else duration(times["mean"])


def _link(run: StartedRun, folder: Path) -> str:
    report = f"{run.folder}/report.html"
    return quote(report) if (folder / report).is_file() else ""


def run_row(
    run: StartedRun, saved: Mapping[Key, Saved], folder: Path, *, none: str = RANDOM
) -> dict[str, Any]:
    """One tuning: what it was, how long it took, its report or why there is none."""
    one = saved.get((run.start, run.labels, run.seed))
    return {
        "start": _start(run.start, none),
        "labels": run.labels,
        "seed": run.seed,
        "link": _link(run, folder),
        "failure": without_folders(run.failure or ""),
        "seconds": DASH if one is None else duration(seconds(one) or 0),
    }
