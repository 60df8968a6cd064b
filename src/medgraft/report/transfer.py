"""Vanilla against transfer on one page: the answer, one hexagon, intervals, what each arm cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from medgraft.errors import TrainingError
from medgraft.files import write_json, write_text
from medgraft.report import remarks
from medgraft.report.arms import answers
from medgraft.report.compare import Difference
from medgraft.report.contracts import Experiment, Measured, RunMade, read_part
from medgraft.report.figures import forest, hexagon
from medgraft.report.figures.hexagon import SPOKES
from medgraft.report.saved import Saved, load_run
from medgraft.report.tables import Value
from medgraft.report.template import fill_page
from medgraft.report.words import (
    DASH,
    MEANINGS,
    count,
    duration,
    in_order,
    label,
    number,
    p_value,
    percent,
    signed,
    without_folders,
)
from medgraft.runs import RunFolder

if TYPE_CHECKING:
    from medgraft.report.figures.canvas import Drawing

COLUMNS = tuple(in_order(SPOKES))


def write_transfer(folder: Path, *, replicates: int = 1000, seed: int = 0) -> Path:
    """Write transfer.json, transfer.html and figures of an experiment, from saved files alone.

    Args:
        folder: Of the experiment, with experiment.json and the run folders that it names.
        replicates: Bootstrap replicates.
        seed: Of the replicates.

    Returns:
        Path of transfer.html.

    Raises:
        TableError: If a file is missing or not as it must be; the message names it.
        TrainingError: If no run is finished.
    """
    folder = Path(folder)
    asked = read_part(Experiment, folder / "experiment.json")
    saved = {
        (run.arm, run.seed): load_run(folder / run.folder)
        for run in asked.runs
        if run.failure is None
    }
    if not saved:
        raise TrainingError(
            f"an experiment needs a finished run, but all {len(asked.runs)} broke; the first"
            f" because: {asked.runs[0].failure}"
        )
    found = answers(asked, saved, replicates=replicates, seed=seed)
    found["answer"] = " ".join(answer(found))
    write_json(folder / "transfer.json", found)
    drawings = _figures(found, remarks.means(next(iter(saved.values())).evaluation))
    for drawing in drawings:
        write_text(RunFolder(folder).figures / f"{drawing.name}.svg", drawing.alone())
    page = folder / "transfer.html"
    write_text(page, _page(folder, found, asked, list(saved.values()), drawings))
    return page


def _figures(found: dict[str, Any], note: str) -> list[Drawing]:
    seeds = f"Means over {count(len(found['seeds']), 'seed')}."
    note = " ".join(text for text in (seeds, note) if text)
    drawn = [
        hexagon.draw(
            {
                arm["arm"]: {name: entry["value"] for name, entry in arm["metrics"].items()}
                for arm in found["arms"]
                if arm["metrics"]
            },
            note=note,
            each="arm",
        )
    ]
    if found["differences"]:
        differences = {one["arm"]: one["metrics"] for one in found["differences"]}
        drawn.append(forest.draw(differences, reference=found["reference"], note=note))
    return drawn


def _page(
    folder: Path,
    found: dict[str, Any],
    asked: Experiment,
    saved: Sequence[Saved],
    drawings: Sequence[Drawing],
) -> str:
    return fill_page(
        "transfer.html.j2",
        found=found,
        task=remarks.task(saved[0].evaluation),
        warnings=_warnings(asked, saved),
        verdicts=verdicts(found),
        answer=answer(found),
        rows=metric_rows(found),
        differences=difference_rows(found),
        costs=cost_rows(found),
        runs=[_run_row(run, found, folder) for run in asked.runs],
        drawings=drawings,
        columns=[(label(name), MEANINGS[name]) for name in COLUMNS],
        quantities=COSTS,
    )


# --- sentences ----------------------------------------------------------------------------


def answer(found: dict[str, Any]) -> tuple[str, str]:
    """How many arms are better, and by how much the best one, at what price."""
    name, tested = found["reference"], _tested(found)
    if not tested:
        return f"No arm can be compared with {name}.", ""
    best = max(tested, key=_gain)
    bounds, price = _bounds(best["metrics"]["auroc"], found), _price(best, found)
    which = "The difference" if len(tested) == 1 else "The highest difference"
    said = f"{which} is that of {best['arm']}: {signed(_gain(best))}{bounds}{price}."
    return f"{_shares(tested, name)}.", f"{said}{_unsteady(tested)}"


def _unsteady(tested: Sequence[dict[str, Any]]) -> str:
    """Which significant differences have not the same sign with every seed.

    Interval and test are of the patients: what a lucky seed brought about is beyond chance too.
    """
    found = []
    for one in tested:
        spread = one["metrics"]["auroc"]["over_seeds"]
        if one["delong"]["significant"] and spread["least"] < 0 < spread["largest"]:
            ends = f"{signed(spread['least'])} to {signed(spread['largest'])}"
            found.append(f"{one['arm']} ({ends})")
    if not found:
        return ""
    return f" The seeds disagree on the sign of {', '.join(found)}: run more before you believe it."


def _shares(tested: Sequence[dict[str, Any]], reference: str) -> str:
    """How many arms are significantly better, and how many worse."""
    sure = [one for one in tested if one["delong"]["significant"]]
    up = sum(_gain(one) > 0 for one in sure)
    down = len(sure) - up
    if len(tested) == 1:
        word = "higher" if up or not down else "lower"
        has = "has" if sure else "does not have"
        return f"{tested[0]['arm']} {has} a significantly {word} AUROC than {reference}"
    said = f"{_of(up, tested)} a significantly higher AUROC than {reference}"
    return f"{said}, {down} a significantly lower one" if down else said


def _of(some: int, tested: Sequence[Any]) -> str:
    return f"{some or 'None'} of {len(tested)} arms {'has' if some < 2 else 'have'}"


def _tested(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in found["differences"] if one["delong"]["p"] is not None]


def _gain(one: dict[str, Any]) -> float:
    return float(one["delong"]["difference"])


def _bounds(entry: dict[str, Any], found: dict[str, Any]) -> str:
    if entry["low"] is None:
        return ""
    ends = f"{signed(entry['low'])} to {signed(entry['high'])}"
    return f" ({percent(found['confidence'])} interval {ends}, by {found['unit']})"


def _price(one: dict[str, Any], found: dict[str, Any]) -> str:
    arm = next(arm for arm in found["arms"] if arm["arm"] == one["arm"])
    ratio = arm["ratio"]["mean"]
    return "" if ratio is None else f", in {times(ratio)} the training time of {found['reference']}"


def times(ratio: float) -> str:
    """A ratio as people say it.

    Examples:
        >>> times(0.4231), times(2.5), times(1.0), times(0.0123)
        ('0.42 times', '2.50 times', '1.00 times', '0.012 times')
    """
    return f"{ratio:.2g} times" if ratio < 0.1 else f"{ratio:.2f} times"


def verdicts(found: dict[str, Any]) -> list[tuple[str, str]]:
    """For each arm that was compared: its name and a sentence."""
    return [(one["arm"], _verdict(one, found)) for one in found["differences"]]


def _verdict(one: dict[str, Any], found: dict[str, Any]) -> str:
    test, name = one["delong"], found["reference"]
    if test["p"] is None:
        return f"AUROC cannot be tested against {name} ({test['reason'].rstrip('.')})."
    which = "mean AUROC" if len(test["classes"]) > 1 else "AUROC"
    arms = len(_tested(found))
    corrected = f" after Holm's correction for {arms} arms" if arms > 1 else ""
    said = f"{signed(_gain(one))}, {p_value(test['p_holm'])} by DeLong's test{corrected}"
    if test["significant"]:
        word = "significantly higher" if _gain(one) > 0 else "significantly lower"
    else:
        word = "not significantly different from"
    than = "" if "different" in word else "than "
    return f"Its {which} is {word} {than}that of {name} ({said}).{_by_seed(one)}"


def _by_seed(one: dict[str, Any]) -> str:
    spread = one["metrics"]["auroc"]["over_seeds"]
    if spread["sd"] is None:
        return ""
    ends = f"{signed(spread['least'])} to {signed(spread['largest'])}"
    return f" Over {len(one['seeds'])} seeds the difference went from {ends}."


def _warnings(asked: Experiment, saved: Sequence[Saved]) -> list[str]:
    broken = [
        f"{run.arm} (seed {run.seed}) broke and is left out: {without_folders(run.failure)}"
        for run in asked.runs
        if run.failure is not None
    ]
    few = []
    if len(asked.seeds) == 1:
        few = ["One seed: how far the numbers depend on chance in training is not known."]
    shared = [without_folders(text) for text in remarks.warnings(saved[0])]
    each = [{without_folders(text) for text in remarks.warnings(one)} for one in saved]
    return [*broken, *few, *(text for text in shared if all(text in texts for texts in each))]


# --- tables -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cell:
    """A metric of an arm: mean over seeds, interval by patient, spread over seeds."""

    value: Value
    seeds: str


def metric_rows(found: dict[str, Any]) -> list[tuple[str, list[Cell | None]]]:
    """A row per arm: its name, and each metric."""
    return [
        (arm["arm"], [_cell(arm["metrics"].get(name)) for name in COLUMNS]) for arm in found["arms"]
    ]


def _cell(entry: dict[str, Any] | None) -> Cell | None:
    if entry is None:
        return None
    spread = entry["over_seeds"]
    ends = f"{number(spread['least'])}{DASH}{number(spread['largest'])}"
    return Cell(Value.of(Measured.model_validate(entry)), "" if spread["sd"] is None else ends)


def difference_rows(found: dict[str, Any]) -> list[tuple[str, list[Difference]]]:
    """A row per arm that was compared: its name, and the difference of each metric."""
    return [
        (one["arm"], [Difference.of(one["metrics"][name]) for name in COLUMNS])
        for one in found["differences"]
    ]


COSTS = ("Training", "Ratio", "Trainable", "Parameters", "Starts from", "Own settings")


def cost_rows(found: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """A row per arm: its name, and what `COSTS` names."""
    return [
        (
            arm["arm"],
            [
                _or_dash(arm["seconds"]["mean"], duration),
                _or_dash(arm["ratio"]["mean"], times),
                _or_dash(arm["trainable"], count),
                _or_dash(arm["parameters"], count),
                "random weights" if arm["weights"] == "none" else arm["weights"],
                _settings(arm["settings"]),
            ],
        )
        for arm in found["arms"]
    ]


def _or_dash(value: Any, shown: Any) -> str:
    return DASH if value is None else str(shown(value))


def _settings(settings: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in settings.items()) or DASH


@dataclass(frozen=True)
class RunRow:
    """A run, with a link to its own report."""

    arm: str
    seed: int
    link: str
    failure: str
    seconds: str
    values: list[str]


def _run_row(run: RunMade, found: dict[str, Any], folder: Path) -> RunRow:
    arm = next(arm for arm in found["arms"] if arm["arm"] == run.arm)
    own = next(one for one in arm["runs"] if one["seed"] == run.seed)
    report = f"{run.folder}/report.html"
    return RunRow(
        run.arm,
        run.seed,
        quote(report) if (folder / report).is_file() else "",
        without_folders(run.failure or ""),
        _or_dash(own["seconds"], duration),
        [number(own["metrics"][name]) if own["metrics"] else DASH for name in COLUMNS],
    )
