"""Was it worth choosing? The page of a simulation: an answer, curves, savings, what was bought."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medgraft.files import write_json, write_text
from medgraft.report import remarks
from medgraft.report.compare import Difference
from medgraft.report.contracts import Evaluation, Measured, Simulation, read_part
from medgraft.report.figures import label_curves
from medgraft.report.figures.label_curves import LabelCurve
from medgraft.report.page import write_figures
from medgraft.report.simulated import results
from medgraft.report.tables import Value
from medgraft.report.template import fill_page
from medgraft.report.words import (
    DASH,
    count,
    duration,
    label,
    number,
    percent,
    settings_without_folders,
)
from medgraft.runs import RunFolder

if TYPE_CHECKING:
    from medgraft.report.figures.canvas import Drawing

MAIN_GOAL = 0.95
FEW_SEEDS = 3
WORKING_DAY = 8 * 3600.0


def write_simulation(folder: Path, *, replicates: int = 1000, seed: int = 0) -> Path:
    """Write results.json, simulation.html and figures, from the saved files alone.

    Args:
        folder: What `medgraft active simulate` wrote; it may have been stopped, if one seed is
            finished by all arms.
        replicates: Bootstrap replicates.
        seed: Of the replicates.

    Returns:
        Path of simulation.html.

    Raises:
        TrainingError: If no seed is finished by all arms.
        TableError: If a file is missing or not as it must be.
    """
    folder = Path(folder)
    asked = read_part(Simulation, folder / "simulation.json")
    found = results(folder, asked, replicates=replicates, seed=seed)
    found["answer"] = " ".join(answer(found))
    write_json(folder / "results.json", found)
    drawings = _figures(found)
    write_figures(drawings, RunFolder(folder).figures)
    page = folder / "simulation.html"
    write_text(page, _page(found, asked, drawings))
    return page


def _page(found: dict[str, Any], asked: Simulation, drawings: Sequence[Drawing]) -> str:
    chosen = [arm for arm in found["arms"] if arm["arm"] != arm["reference"]]
    return fill_page(
        "simulation.html.j2",
        found=found,
        asked=asked,
        task=remarks.task(_question(asked)),
        answer=answer(found),
        warnings=_warnings(found, asked),
        verdicts=[(arm["arm"], verdict(arm, found)) for arm in chosen],
        drawings=drawings,
        metric=label(found["metric"]),
        goals=[_goal(goal, found) for goal in found["goals"]] if found["full"] else [],
        needed=_needed_rows(found),
        areas=_area_rows(found),
        wins=_win_rows(found),
        bought=[_bought(arm) for arm in found["arms"]],
        kept=_kept_rows(found),
        stops=_stop_rows(found),
        costs=_cost_rows(found),
        price=_price(chosen[0], found, asked) if chosen else "",
        how=_how(asked),
        command=shlex.join(settings_without_folders(word) for word in asked.command),
    )


def _question(asked: Simulation) -> Evaluation:
    return Evaluation(
        n_images=asked.test, kind=asked.kind, names=asked.names, positive=asked.positive, metrics={}
    )


# --- sentences ----------------------------------------------------------------------------


def answer(found: dict[str, Any]) -> tuple[str, str]:
    """What the arm that was named first saved, and how that was seen."""
    chosen = [arm for arm in found["arms"] if arm["arm"] != arm["reference"]]
    if not chosen:
        return "Nothing was chosen: all labels were bought at random.", ""
    first = chosen[0]
    return f"{_headline(first)}.", f"{first['arm']}: {verdict(first, found)}"


def _headline(arm: dict[str, Any]) -> str:
    saved, what = _main(arm), f"Active learning by {arm['acquisition']}"
    if saved is None or saved["value"] is None or saved["low"] is None:
        return f"{what} was not seen to save labels here"
    if saved["low"] is not None and saved["low"] > 0:
        return f"{what} saved {_share(saved)} of the labels"
    if saved["high"] is not None and saved["high"] < 0:
        return f"{what} cost labels here, and saved none"
    return f"{what} did not help here"


def _main(arm: dict[str, Any]) -> dict[str, Any] | None:
    """The saving at the goal that the answer speaks of."""
    return next((one["saving"] for one in arm["needed"] if one["goal"] == MAIN_GOAL), None)


def _share(saved: Mapping[str, Any]) -> str:
    bound = f"{saved['bound']} " if saved["bound"] else ""
    return f"{bound}{round(100 * saved['value'])} %".replace("-", "−")


def _ends(saved: Mapping[str, Any]) -> str:
    return f"{round(100 * saved['low'])} to {round(100 * saved['high'])} %".replace("-", "−")


def _bounds(saved: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    if saved["low"] is None:
        return ""
    ends = _ends(saved)
    confidence = percent(found["confidence"])
    return f" ({confidence} interval of the saving {ends}, over {found['unit']}s and seeds)"


def verdict(arm: dict[str, Any], found: dict[str, Any]) -> str:
    """What one arm needed for 95 % of the score of all labels, beside buying at random."""
    if found["full"] is None:
        return "What all labels give is not known yet, so no goal can be named."
    needed = next(one for one in arm["needed"] if one["goal"] == MAIN_GOAL)
    reference = next(one for one in found["arms"] if one["arm"] == arm["reference"])
    other = next(one for one in reference["needed"] if one["goal"] == MAIN_GOAL)
    goal = (
        f"{percent(MAIN_GOAL)} of the {label(found['metric'])} of all labels"
        f" ({number(needed['score'])})"
    )
    most = count(found["labels"][-1], "label")
    if needed["value"] is None and other["value"] is None:
        return f"Neither it nor buying at random reached {goal} with {most}."
    own, chance = (
        f"had not reached {goal} with {most}"
        if labels is None
        else f"reached {goal} with {count(round(labels), 'label')}"
        for labels in (needed["value"], other["value"])
    )
    told = f"It {own}; buying at random {chance.replace(goal, 'it')}"
    return f"{told}: {_saved(needed['saving'])}{_bounds(needed['saving'], found)}."


def _saved(saved: Mapping[str, Any]) -> str:
    """A saving, or a loss, in words.

    Examples:
        >>> _saved({"value": 0.43, "bound": "at least"}), _saved({"value": -1.62, "bound": None})
        ('a saving of at least 43 %', '162 % more labels')
    """
    if saved["value"] >= 0:
        return f"a saving of {_share(saved)}"
    return f"{'at least ' if saved['bound'] else ''}{percent(-saved['value'])} more labels"


def _price(arm: dict[str, Any], found: dict[str, Any], asked: Simulation) -> str:
    """Money and time that were saved at the main goal, as far as prices were given."""
    cost, seconds = asked.settings.cost_per_label, asked.settings.seconds_per_label
    if (cost is None and seconds is None) or found["full"] is None:
        return ""
    needed = next(one for one in arm["needed"] if one["goal"] == MAIN_GOAL)
    reference = next(one for one in found["arms"] if one["arm"] == arm["reference"])
    other = next(one for one in reference["needed"] if one["goal"] == MAIN_GOAL)
    if needed["value"] is None or other["value"] is None:
        return "What that is in money and time cannot be said: one of the two did not get there."
    fewer = other["value"] - needed["value"]
    parts = []
    if cost is not None:
        parts.append(f"{abs(fewer) * cost:,.0f} at {cost:g} a label")
    if seconds is not None:
        spent = abs(fewer) * seconds
        days = f", {spent / WORKING_DAY:.1f} working days" if spent > WORKING_DAY else ""
        parts.append(f"{duration(spent)} of reading at {seconds:g} s a label{days}")
    word = "fewer" if fewer >= 0 else "more"
    return (
        f"At that goal {arm['arm']} takes {count(round(abs(fewer)), 'label')} {word} than buying at"
        f" random: {' and '.join(parts)}."
    )


def _warnings(found: dict[str, Any], asked: Simulation) -> list[str]:
    few = len(found["seeds"])
    missing = len(asked.seeds) - few
    return [
        *(["Synthetic phantoms, not clinical data: these numbers say that the software works, and"
           " nothing about patients."] if asked.synthetic else []),
        *([f"It is not finished: {missing} of {len(asked.seeds)} seeds are missing."] if missing else []),
        *([f"Only {count(few, 'seed')}: the intervals know little of the luck of heads and draws."]
          if few < FEW_SEEDS else []),
        *(["The patients are not known: intervals are by image, and too narrow if patients have"
           " several."] if not asked.patients_known else []),
        *asked.notes,
    ]  # fmt: skip


def _how(asked: Simulation) -> list[str]:
    settings = asked.settings
    looks = f"{settings.passes} passes with dropout" if settings.passes else f"{settings.views} augmented views"  # fmt: skip
    first = (
        f"{count(settings.start)} labels that were drawn at random, the same for all arms of a seed"
        if settings.start
        else "no label: the first choice is that of a network that has learnt nothing of the task"
    )
    return [
        f"The pool is the training part: {count(asked.pool, 'image')} in"
        f" {count(asked.candidates, 'candidate')}. Its labels were hidden, and each was told when it"
        " was bought.",
        f"Every arm began with {first}, and then bought {count(settings.batch)} in each of"
        f" {count(settings.rounds, 'round')}"
        + (
            f", chosen among {count(settings.among)} of the open ones, drawn anew"
            if settings.among
            else ""
        )
        + f". Acquisitions that compare answers saw {looks} of each image.",
        f"The validation part ({count(asked.validation, 'image')}) was labelled from the start. It chose"
        " the best epoch of every training, and its labels are not counted on the axis.",
        f"The test part ({count(asked.test, 'image')}) was answered after every round and judged when"
        " all was over: no decision used it. The answer at the top speaks of the acquisition that"
        " was named first, not of the one that came out best.",
        "The stages of the network were the same in all rounds, so their maps were computed once; all"
        " seeds share the views."
        if asked.frozen
        else "Every round trained the network anew or on, as its strategy says.",
    ]


# --- figures ------------------------------------------------------------------------------


def _figures(found: dict[str, Any]) -> list[Drawing]:
    """A figure for each strategy, all with one scale of names: the arms that share a reference."""
    references = list(dict.fromkeys(arm["reference"] for arm in found["arms"]))
    full = found["full"]["value"] if found["full"] else None
    drawn = []
    for place, reference in enumerate(references):
        arms = [arm for arm in found["arms"] if arm["reference"] == reference]
        strategy = arms[0]["strategy"].partition(":")[0]
        lines = {_key(arm, alone=len(references) == 1): _line(arm, first=arms[0]) for arm in arms}
        metric = label(found["metric"])
        drawn.append(
            label_curves.draw(
                lines,
                name=f"curves-{place + 1}",
                score=f"{metric}, test",
                title=f"{metric} against labels, {strategy}",
                labels="Labels bought",
                best=None if full is None else ("all labels", full),
                note="Means over seeds; intervals over patients and seeds.",
            )
        )
    return drawn


def _key(arm: dict[str, Any], *, alone: bool) -> str:
    """The name of a line: the acquisition alone where there is one strategy."""
    chosen = arm["arm"] != arm["reference"]
    return str(arm["acquisition"] if alone and chosen else arm["arm"])


def _line(arm: dict[str, Any], *, first: dict[str, Any]) -> LabelCurve:
    """The curve of an arm; intervals of many would hide each other."""
    chance = arm["arm"] == arm["reference"]
    return LabelCurve.of(arm["curve"], interval=chance or arm is first, against=chance)


# --- tables -------------------------------------------------------------------------------


def _goal(goal: float, found: dict[str, Any]) -> str:
    return f"{percent(goal)} ({number(goal * found['full']['value'])})"


@dataclass(frozen=True)
class Needed:
    """Labels needed for one goal, and what that saves against buying at random."""

    labels: str
    bounds: str
    saved: str
    saved_bounds: str


def _needed_rows(found: dict[str, Any]) -> list[tuple[str, list[Needed]]]:
    most = f">{count(found['labels'][-1])}"
    return [
        (
            arm["arm"],
            [_needed(one, most, chance=arm["arm"] == arm["reference"]) for one in arm["needed"]],
        )
        for arm in found["arms"]
    ]


def _needed(one: Mapping[str, Any], most: str, *, chance: bool) -> Needed:
    def shown(labels: float | None) -> str:
        return most if labels is None else count(round(labels))

    saved = one["saving"]
    if chance:
        text, bounds = DASH, ""
    elif saved["value"] is None:
        text, bounds = "unknown", ""
    else:
        text = _share(saved)
        bounds = "" if saved["low"] is None else _ends(saved)
    ends = [shown(one["low"]), shown(one["high"])]
    interval = "" if ends[0] == ends[1] else " to ".join(ends)
    return Needed(shown(one["value"]), interval, text, bounds)


def _area_rows(found: dict[str, Any]) -> list[tuple[str, list[tuple[Value, Difference | None]]]]:
    """A row per arm: its name, and on each axis the area and what it is above chance."""
    return [
        (
            arm["arm"],
            [
                (
                    Value.of(Measured.model_validate(one["area"])),
                    None if arm["arm"] == arm["reference"] else Difference.of(one["difference"]),
                )
                for one in arm["alc"].values()
            ],
        )
        for arm in found["arms"]
    ]


def _win_rows(found: dict[str, Any]) -> list[tuple[str, list[str]]]:
    return [
        (arm["arm"], [DASH if share is None else percent(share) for share in row])
        for arm, row in zip(found["arms"], found["wins"], strict=True)
    ]


@dataclass(frozen=True)
class Bought:
    """What an arm bought: of each class a number per round, and in all."""

    arm: str
    rows: list[tuple[str, list[str], str]]


def _bought(arm: dict[str, Any]) -> Bought:
    rows = [
        (
            name,
            [f"{one['classes'][name]:.3g}" for one in arm["rounds"]],
            f"{sum(one['classes'][name] for one in arm['rounds']):,.0f}",
        )
        for name in arm["rounds"][0]["classes"]
    ]
    return Bought(arm["arm"], rows)


def _kept_rows(found: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """A row per arm: of what each model knew, the share that the next one still knew."""
    return [
        (
            arm["arm"],
            [
                DASH if one[key] is None else percent(one[key], digits=1)
                for one in arm["kept"].values()
                for key in ("mean", "least")
            ],
        )
        for arm in found["arms"]
    ]


def _stop_rows(found: dict[str, Any]) -> list[tuple[str, str, list[str]]]:
    """A row per arm and rule: seeds that it ended, labels bought by then, score and its share."""
    return [
        (
            arm["arm"],
            one["rule"],
            [
                f"{one['seeds']} of {one['of']}",
                _or_dash(one["labels"]["mean"], lambda n: count(round(n))),
                _or_dash(one["score"]["mean"], number),
                _or_dash(one["share"]["mean"], lambda share: percent(share, digits=1)),
            ],
        )
        for arm in found["arms"]
        for one in arm["stops"]
    ]


def _cost_rows(found: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """A row per arm: seconds of a round, by what was done, and images of a training."""
    return [
        (
            arm["arm"],
            [
                *(
                    duration(arm["seconds"][name]) if name in arm["seconds"] else DASH
                    for name in ("look", "choose", "train", "answer", "whole")
                ),
                f"{arm['rounds'][-1]['trained_on']:,.0f}",
                f"{arm['rounds'][-1]['images']:,.0f}",
            ],
        )
        for arm in found["arms"]
    ]


def _or_dash(value: Any, shown: Any) -> str:
    return DASH if value is None else str(shown(value))
