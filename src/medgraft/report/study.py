"""A study of architectures on one page: the answers, figures as in the paper, every number in a table."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import polars as pl

from medgraft.errors import TrainingError
from medgraft.files import replacing, write_json, write_text
from medgraft.report import remarks
from medgraft.report.architectures import PROPERTIES, RANDOM, answers, flat
from medgraft.report.contracts import Measured, Study, read_part
from medgraft.report.figures import canvas, ladder, scatter
from medgraft.report.figures.ladder import Rung
from medgraft.report.figures.scatter import Point
from medgraft.report.saved import Saved, load_run
from medgraft.report.tables import Value
from medgraft.report.template import fill_page
from medgraft.report.words import (
    DASH,
    count,
    duration,
    number,
    p_value,
    percent,
    signed,
    without_folders,
)
from medgraft.runs import RunFolder

SCHEMA = {
    **dict.fromkeys(("kind", "network", "weights", "minus", "others", "label", "what"), pl.String),
    "seed": pl.Int64,
    **dict.fromkeys(("value", "low", "high", "p", "p_holm"), pl.Float64),
}


def write_study(folder: Path, *, seed: int = 0) -> Path:
    """Write study.json, study.parquet, study.html and the figures, from saved files alone.

    Args:
        folder: Of the study, with experiment.json and the run folders that it names.
        seed: Of the replicates.

    Returns:
        Path of study.html.

    Raises:
        TableError: If a file is missing or not as it must be; the message names it.
        TrainingError: If no run is finished.
    """
    folder = Path(folder)
    asked = read_part(Study, folder / "experiment.json")
    saved = {run.folder: load_run(folder / run.folder) for run in asked.runs if run.failure is None}
    if not saved:
        raise TrainingError(
            f"a study needs a finished run, but all {len(asked.runs)} broke or wait; the first"
            f" because: {asked.runs[0].failure if asked.runs else 'the budget left no time'}"
        )
    found = answers(asked, saved, replicates=asked.replicates, seed=seed)
    found["answer"] = answer(found)
    write_json(folder / "study.json", found)
    _write_parquet(found, folder / "study.parquet")
    drawings = draw(found)
    for drawing in drawings:
        write_text(RunFolder(folder).figures / f"{drawing.name}.svg", drawing.alone())
    page = folder / "study.html"
    write_text(
        page,
        fill_page(
            "study.html.j2",
            found=found,
            title=asked.title or "A study of architectures",
            task=remarks.task(next(iter(saved.values())).evaluation),
            answer=found["answer"],
            warnings=_warnings(asked, list(saved.values())),
            drawings=drawings,
            networks=network_rows(found),
            scores=score_rows(found),
            boosts=boost_rows(found),
            changes=change_rows(found),
            cuts=[_curve_rows(curve, found) for curve in found["cuts"]],
            families=family_rows(found),
            correlations=correlation_rows(found),
            front=front_rows(found),
            variance=variance_rows(found),
            runs=[_run_row(run, saved, folder) for run in asked.runs],
            of_runs=asked.planned,
        ),
    )
    return page


def _write_parquet(found: Mapping[str, Any], path: Path) -> None:
    buffer = io.BytesIO()
    pl.DataFrame(flat(found), schema=SCHEMA).write_parquet(buffer)
    with replacing(path) as temporary:
        temporary.write_bytes(buffer.getvalue())


# --- sentences ----------------------------------------------------------------------------------


def answer(found: Mapping[str, Any]) -> list[str]:
    """The questions of a study, each in a sentence, as far as its runs answer them."""
    said = [_best(found)]
    said += _boosted(found["boosts"])
    said += _changed(found["changes"])
    said += _correlated(found["correlations"])
    said += [_shorter(curve, found) for curve in found["cuts"]]
    return said


def _best(found: Mapping[str, Any]) -> str:
    known = [group for group in found["groups"] if group["value"] is not None]
    if not known:
        return "No score is defined by these rows."
    best = max(known, key=lambda group: group["value"])
    fastest = [one for one in found["front"] if one["on_front"]]
    are = "is" if len(fastest) == 1 else "are"
    on = f"; {count(len(fastest), 'network')} {are} beaten by no other in both score and speed"
    return (
        f"The highest score is that of {_named(best)}, AUROC {number(best['value'])}"
        f"{_bounds(best)}{on if fastest else ''}."
    )


def _named(one: Mapping[str, Any]) -> str:
    weights = "random weights" if one["weights"] == RANDOM else f"{one['weights']} weights"
    others = _settings_of(one["others"])
    return f"{one['network']} from {weights}{f', {others}' if others else ''}"


def _settings_of(others: Mapping[str, Any]) -> str:
    """Keys and values as prose; a page travels further than its folders.

    Examples:
        >>> _settings_of({"uncertain": ["self_trained:runs/donor"], "blank": "zeros"})
        'uncertain self_trained:donor, blank zeros'
    """
    return ", ".join(f"{key} {_plain(value)}" for key, value in others.items())


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(_plain, value))
    name, colon, path = str(value).partition(":")
    return f"{name}:{path.rpartition('/')[2]}" if colon else without_folders(name)


def _bounds(entry: Mapping[str, Any]) -> str:
    if entry["low"] is None:
        return ""
    return f" ({number(entry['low'])} to {number(entry['high'])})"


def _ends(entry: Mapping[str, Any]) -> str:
    if entry["low"] is None:
        return ""
    return f"{signed(entry['low'])} to {signed(entry['high'])}"


def _boosted(boosts: Sequence[Mapping[str, Any]]) -> list[str]:
    tested = [one for one in boosts if one["value"] is not None]
    if not tested:
        return []
    better = sum(bool(one["significant"] and one["value"] > 0) for one in tested)
    mean = sum(one["value"] for one in tested) / len(tested)
    return [
        f"Pretraining changes the score by {signed(mean)} in the mean of"
        f" {count(len(tested), 'comparison')}; {better or 'none'} of them"
        f" {'is a significant gain' if better == 1 else 'are significant gains'}."
    ]


def _changed(changes: Sequence[Mapping[str, Any]]) -> list[str]:
    tested = [one for one in changes if one["value"] is not None]
    if not tested:
        return []
    better, worse = (
        sum(bool(one["significant"] and sign * one["value"] > 0) for one in tested)
        for sign in (1, -1)
    )
    against = {_settings_of(one["minus"]) for one in tested}
    first = f" ({against.pop()})" if len(against) == 1 else ""
    best = max(tested, key=lambda one: one["value"])
    return [
        f"Of {count(len(tested), 'other setting')}, {better or 'none'}"
        f" {'is' if better == 1 else 'are'} significantly better than the first{first} and"
        f" {worse or 'none'} significantly worse; the best change is {signed(best['value'])}"
        f" ({_ends(best) or 'no interval'}), by {_settings_of(best['others'])}."
    ]


def _correlated(correlations: Sequence[Mapping[str, Any]]) -> list[str]:
    said = []
    for one in correlations:
        if one["of"] != "score" or one["with"] != "top1" or one["rho"] is None:
            continue
        weights = "random" if one["weights"] == RANDOM else one["weights"]
        said.append(
            f"Rank correlation with ImageNet accuracy, {weights} weights: {signed(one['rho'])}"
            f" ({_ends(one) or 'no interval'}), {p_value(one['p'])}, {one['models']} networks."
        )
    return said


def _shorter(curve: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    whole, smallest = curve["whole"], curve["smallest"]
    weights = "random" if curve["weights"] == RANDOM else curve["weights"]
    if smallest == whole:
        return f"Every cut of {whole} ({weights} weights) is significantly worse than the whole."
    parameters = found["networks"][smallest]["parameters"]
    return (
        f"The smallest cut of {whole} ({weights} weights) that is not significantly worse is"
        f" {smallest}: {count(parameters, 'parameter')}, {curve['ratio']:.1f} times fewer."
    )


def _warnings(asked: Study, saved: Sequence[Saved]) -> list[str]:
    broken = [
        f"{run.network}, weights {run.weights}, seed {run.seed} broke and is left out:"
        f" {without_folders(run.failure)}"
        for run in asked.runs
        if run.failure is not None
    ]
    few = []
    if asked.planned > len(asked.runs):
        few.append(
            f"{asked.planned - len(asked.runs)} of {asked.planned} runs are still to be made: the"
            " same command goes on."
        )
    if len({run.seed for run in asked.runs}) == 1:
        few.append("One seed: how far the numbers depend on chance in training is not known.")
    sides = {run.network.rpartition(", ")[2] for run in asked.runs}
    if len(sides) > 1:
        few.append(
            f"Networks saw images of different sides ({', '.join(sorted(sides))}): their scores and"
            " costs differ by that, too."
        )
    each = [{without_folders(text) for text in remarks.warnings(one)} for one in saved]
    shared = [without_folders(text) for text in remarks.warnings(saved[0])]
    return [*broken, *few, *(text for text in shared if all(text in texts for texts in each))]


# --- tables -------------------------------------------------------------------------------------


def network_rows(found: Mapping[str, Any]) -> list[dict[str, str]]:
    """A row per network: what it costs, and what is published of it."""
    return [
        {
            "number": str(place),
            "network": name,
            "parameters": f"{cost['parameters']:,}",
            "operations": f"{cost['operations'] / 1e6:,.0f}",
            "memory": f"{cost['memory_bytes'] / 2**20:,.1f}",
            "speed": f"{cost['images_per_second']:,.0f}",
            "top1": DASH if cost["top1"] is None else f"{cost['top1']:.1f}",
        }
        for place, (name, cost) in enumerate(found["networks"].items(), start=1)
    ]


def score_rows(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row per group: its mean score with interval, its seeds, its labels."""
    return [
        {
            "network": group["network"],
            "about": _about(group),
            "value": Value.of(Measured.model_validate(group)),
            "seeds": ", ".join(number(run["value"]) for run in group["runs"]),
            "labels": [
                Value.of(Measured.model_validate(entry)) for entry in group["labels"].values()
            ],
        }
        for group in found["groups"]
    ]


def _about(one: Mapping[str, Any]) -> str:
    weights = "random" if one["weights"] == RANDOM else one["weights"]
    others = _settings_of(one["others"])
    return f"{weights}, {others}" if others else str(weights)


def _cell(one: Mapping[str, Any]) -> dict[str, str]:
    p = one.get("p_holm")
    return {
        "shown": signed(one["value"]),
        "bounds": _ends(one),
        "p": "" if p is None else p_value(p),
        "apart": "excludes zero" if one["excludes_zero"] else "",
    }


def boost_rows(found: Mapping[str, Any]) -> list[tuple[str, str, dict[str, str]]]:
    """A row per network and weights: what they gain over random ones."""
    return [(one["network"], _about(one), _cell(one)) for one in found["boosts"]]


def change_rows(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row per group of other settings: what it changes, all in all and label by label."""
    return [
        {
            "network": one["network"],
            "about": _about(one),
            "minus": _settings_of(one["minus"]) or "the defaults",
            "mean": _cell(one),
            "labels": [_cell(entry) for entry in one["labels"].values()],
        }
        for one in found["changes"]
    ]


def _curve_rows(curve: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    rows = []
    for point in curve["points"]:
        cost = found["networks"][point["network"]]
        rows.append(
            {
                "network": point["network"],
                "smallest": point["network"] == curve["smallest"],
                "parameters": f"{cost['parameters']:,}",
                "memory": f"{cost['memory_bytes'] / 2**20:,.1f}",
                "speed": f"{cost['images_per_second']:,.0f}",
                "value": Value.of(Measured.model_validate(point)),
                "difference": None if point["difference"] is None else _cell(point["difference"]),
            }
        )
    return {"whole": curve["whole"], "about": _about(curve), "rows": rows}


def family_rows(found: Mapping[str, Any]) -> list[tuple[str, str, dict[str, str]]]:
    """Largest minus smallest within each family, then means of families against each other."""
    within = [
        (f"{one['network']} − {one['minus']}", f"{one['family']}, {_about(one)}", _cell(one))
        for one in found["families"]["within"]
    ]
    across = [
        (f"{one['family']} − {one['minus']}", f"means of families, {_about(one)}", _cell(one))
        for one in found["families"]["across"]
    ]
    return within + across


def correlation_rows(found: Mapping[str, Any]) -> list[dict[str, str]]:
    """A row per rank correlation."""
    return [
        {
            "of": "Score" if one["of"] == "score" else "Gain by pretraining",
            "with": PROPERTIES[one["with"]],
            "about": _about(one),
            "rho": signed(one["rho"]),
            "bounds": _ends(one) or DASH,
            "p": DASH if one["p"] is None else p_value(one["p"]),
            "models": str(one["models"]),
        }
        for one in found["correlations"]
    ]


def front_rows(found: Mapping[str, Any]) -> list[dict[str, str]]:
    """The networks that no other beats in score and speed, fastest first."""
    there = [one for one in found["front"] if one["on_front"]]
    return [
        {
            "network": one["network"],
            "about": _about(one),
            "score": number(one["value"]),
            "bounds": _bounds(one).strip(" ()"),
            "speed": f"{one['images_per_second']:,.0f}",
            "share": DASH
            if one["share_of_replicates"] is None
            else percent(one["share_of_replicates"]),
        }
        for one in sorted(there, key=lambda one: -one["images_per_second"])
    ]


def variance_rows(found: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """A row per group: standard deviation over seeds, and over patients."""
    return [
        (one["network"], _about(one), _deviation(one["sd_seeds"]), _deviation(one["sd_patients"]))
        for one in found["variance"]["groups"]
    ]


def _deviation(value: float | None) -> str:
    return DASH if value is None else f"{value:.4f}"


def _run_row(run: Any, saved: Mapping[str, Saved], folder: Path) -> dict[str, Any]:
    one = saved.get(run.folder)
    report = f"{run.folder}/report.html"
    seconds = None if one is None or one.record is None else one.record.seconds.get("train")
    return {
        "network": run.network,
        "about": _about({"weights": run.weights, "others": run.others}),
        "seed": run.seed,
        "link": quote(report) if (folder / report).is_file() else "",
        "failure": without_folders(run.failure or ""),
        "seconds": DASH if seconds is None else duration(seconds),
    }


# --- figures ------------------------------------------------------------------------------------


def draw(found: Mapping[str, Any]) -> list[canvas.Drawing]:
    """Score against each property, gains by pretraining, cuts."""
    drawings = []
    for weights, others, groups in _settings(found):
        drawings += _scatters(groups, found, weights, others)
    for others, own in _by_others(found["front"]):
        drawings += _fronts(own, found, others)
    drawings += _boost_ladder(found)
    drawings += _cut_curves(found)
    return drawings


def _settings(found: Mapping[str, Any]) -> Iterator[tuple[str, str, list[dict[str, Any]]]]:
    """Scored groups of whole networks, by weights and other keys."""
    sets: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for group in found["groups"]:
        cost = found["networks"].get(group["network"])
        if cost is not None and cost["after"] is None and group["value"] is not None:
            key = (group["weights"], json.dumps(group["others"], sort_keys=True))
            sets.setdefault(key, []).append(group)
    for (weights, others), groups in sets.items():
        if len(groups) > 1:
            yield weights, others, groups


def _by_others(entries: Sequence[dict[str, Any]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    sets: dict[str, list[dict[str, Any]]] = {}
    for one in entries:
        if one["value"] is not None:
            sets.setdefault(json.dumps(one["others"], sort_keys=True), []).append(one)
    yield from sets.items()


def _point(one: Mapping[str, Any], x: float, found: Mapping[str, Any], series: str) -> Point:
    place = list(found["networks"]).index(one["network"]) + 1
    return Point(
        str(place), _named(one), series, x, one["value"], one["low"], one["high"],
        filled=one["weights"] != RANDOM,
    )  # fmt: skip


def _family(one: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    cost = found["networks"][one["network"]]
    return str(cost["family"] or cost["backbone"])


def _scatters(
    groups: Sequence[dict[str, Any]], found: Mapping[str, Any], weights: str, others: str
) -> list[canvas.Drawing]:
    drawings = []
    told = "random weights" if weights == RANDOM else f"{weights} weights"
    for key, across, scale in (
        ("top1", "Accuracy on ImageNet, percent", 1.0),
        ("parameters", "Parameters, millions", 1e-6),
    ):
        points = [
            _point(group, value * scale, found, _family(group, found))
            for group in groups
            if (value := found["networks"][group["network"]][key]) is not None
        ]
        if len(points) < 2:
            continue
        drawings.append(
            scatter.draw(
                points,
                name=_file("score", key, weights, others),
                title=f"Score against {PROPERTIES[key]}, {told}{_told(others)}",
                across=across,
                up="AUROC",
                caption=f"Numbers are those of the table of networks. Bars are intervals.{_rank(key, weights, others, found)}",
                logarithmic=key == "parameters",
            )
        )
    return drawings


def _rank(key: str, weights: str, others: str, found: Mapping[str, Any]) -> str:
    for one in found["correlations"]:
        same = (one["of"], one["with"], one["weights"]) == ("score", key, weights)
        if same and json.dumps(one["others"], sort_keys=True) == others and one["rho"] is not None:
            return f" Rank correlation {signed(one['rho'])} ({_ends(one)}), {p_value(one['p'])}."
    return ""


def _told(others: str) -> str:
    told = _settings_of(json.loads(others))
    return f", {told}" if told else ""


def _file(*words: str) -> str:
    """A file name of words, whatever they hold."""
    text = "-".join(words)
    return "".join(c if c.isalnum() else "-" for c in text).strip("-")


def _fronts(
    entries: Sequence[dict[str, Any]], found: Mapping[str, Any], others: str
) -> list[canvas.Drawing]:
    if len(entries) < 2:
        return []
    points = [_point(one, one["images_per_second"], found, _family(one, found)) for one in entries]
    return [
        scatter.draw(
            points,
            name=_file("front", others),
            title=f"Score against speed{_told(others)}",
            across="Images per second of prediction",
            up="AUROC",
            caption="The dotted line goes through the networks that no other one beats in both."
            " Hollow marks: random weights; filled: pretrained. Numbers are those of the table"
            " of networks.",
            logarithmic=True,
            front=[p for p, one in zip(points, entries, strict=True) if one["on_front"]],
        )
    ]


def _boost_ladder(found: Mapping[str, Any]) -> list[canvas.Drawing]:
    rungs = [
        Rung(
            one["network"] if not one["others"] else f"{one['network']}, {_about(one)}",
            one["value"],
            one["low"],
            one["high"],
            sure=bool(one["significant"]),
        )
        for one in found["boosts"]
        if one["value"] is not None
    ]
    if not rungs:
        return []
    return [
        ladder.draw(
            rungs,
            name="boosts",
            title="What pretraining gains",
            across="AUROC, pretrained minus random",
            caption="A filled mark: significant by DeLong's test after Holm's correction.",
        )
    ]


def _cut_curves(found: Mapping[str, Any]) -> list[canvas.Drawing]:
    drawings = []
    for (weights, others), curves in _curves(found).items():
        points = [
            Point(
                _stage(point["network"]),
                point["network"],
                curve["whole"],
                found["networks"][point["network"]]["parameters"] / 1e6,
                point["value"],
                point["low"],
                point["high"],
                filled=point["network"] == curve["smallest"],
            )
            for curve in curves
            for point in curve["points"]
            if point["value"] is not None
        ]
        if points:
            drawings.append(
                scatter.draw(
                    points,
                    name=_file("cuts", weights, others),
                    title=f"Cut networks, {'random' if weights == RANDOM else weights} weights{_told(others)}",
                    across="Parameters, millions",
                    up="AUROC",
                    caption="The last stage that is kept stands beside each mark. Filled: the"
                    " smallest that is not significantly worse than the whole network.",
                    logarithmic=True,
                    joined=True,
                )
            )
    return drawings


def _curves(found: Mapping[str, Any]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    sets: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for curve in found["cuts"]:
        key = (curve["weights"], json.dumps(curve["others"], sort_keys=True))
        sets.setdefault(key, []).append(curve)
    return sets


def _stage(network: str) -> str:
    """The last stage that is kept; nothing for a whole network."""
    return network.rpartition(", ")[0].partition(" to ")[2]
