"""The tables of a report as plain rows, for the page and the card alike."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from medgraft.report.contracts import Data, Evaluation, Measured, Metrics, Record
from medgraft.report.words import (
    MEANINGS,
    count,
    duration,
    file_name,
    in_order,
    interval,
    label,
    moment,
    number,
    part,
    percent,
    settings_without_folders,
    without_folders,
)

MASK_METRICS = ("dice", "iou", "surface_dice", "hd95", "volume_difference")
CLASS_METRICS = ("auroc", "average_precision", "recall", "specificity", "precision", "f1")
LENGTHS = {"hd95": "", "surface_distance": "", "volume_difference": "\u00b3"}  # power of mm
REJECTS = 12  # reasons shown; the rest stands in rejects.csv


@dataclass(frozen=True)
class Value:
    """A measured number as it is shown, and exactly.

    Attributes:
        shown: Rounded, or "undefined".
        bounds: Interval, or a dash.
        exact: As evaluation.json has it, or None.
        remark: Why it is undefined, or is a mean over fewer classes, or how many replicates
            were undefined; may be empty.
    """

    shown: str
    bounds: str
    exact: float | None
    remark: str = ""

    @classmethod
    def of(cls, measured: Measured) -> Value:
        """The value, its interval, and what must be said of it."""
        remark = measured.reason or ""
        if not remark and measured.undefined_replicates:
            remark = f"{count(measured.undefined_replicates, 'replicate')} undefined"
        return cls(number(measured.value), interval(measured), measured.value, remark)


@dataclass(frozen=True)
class MetricRow:
    """A metric, what it means, and its value."""

    name: str
    meaning: str
    value: Value


def metrics(evaluation: Evaluation) -> list[MetricRow]:
    """A row per metric, AUROC first."""
    return [
        MetricRow(
            label(name) + _unit(evaluation, name),
            MEANINGS.get(name, ""),
            Value.of(evaluation.metrics[name]),
        )
        for name in in_order(evaluation.metrics)
    ]


def _unit(evaluation: Evaluation, name: str) -> str:
    """The unit of a measure of masks, behind a comma; empty for a share."""
    power = LENGTHS.get(name) if evaluation.of_masks else None
    if power is None:
        return ""
    unit = evaluation.distance_unit or "voxel"
    return f", {unit}s" if unit == "voxel" else f", {unit}{power}"


@dataclass(frozen=True)
class ClassTable:
    """Metrics of each class: `rows` maps a class to one value per column, None for a blank."""

    columns: list[str]
    rows: dict[str, list[Value | None]]
    thresholds: dict[str, str]


def classes(evaluation: Evaluation) -> ClassTable | None:
    """A row per class, or None where there is only one to speak of."""
    if evaluation.positive is not None or len(evaluation.classes) < 2:
        return None
    names = [n for n in evaluation.names if n in evaluation.classes]
    known = MASK_METRICS if evaluation.of_masks else CLASS_METRICS
    columns = [m for m in known if any(m in evaluation.classes[n] for n in names)]
    thresholds = {n: evaluation.threshold_of(n) for n in names}
    return ClassTable(
        columns=[label(m) + _unit(evaluation, m) for m in columns],
        rows={n: [_cell(evaluation.classes[n], m) for m in columns] for n in names},
        thresholds={n: number(t) for n, t in thresholds.items() if t is not None},
    )


def _cell(of_class: Metrics, metric: str) -> Value | None:
    return Value.of(of_class[metric]) if metric in of_class else None


@dataclass(frozen=True)
class Held:
    """How much one part of the split holds, and which share of its images that is."""

    count: str
    share: str = ""


@dataclass(frozen=True)
class SplitTable:
    """How the data were split: a column per part, a row per quantity."""

    parts: list[str]
    rows: dict[str, list[Held]]


def splits(data: Data) -> SplitTable | None:
    """Images, patients and images per class of each part."""
    if not data.splits:
        return None
    held = list(data.splits.values())
    rows = {"Images": [Held(count(one.images)) for one in held]}
    if data.patients_known:
        rows["Patients"] = [Held(count(one.patients)) for one in held]
    for name in dict.fromkeys(name for one in held for name in one.classes):
        rows[name] = [_balance(one.classes.get(name, 0), one.images) for one in held]
    return SplitTable([part(name).capitalize() for name in data.splits], rows)


def _balance(positives: int, images: int) -> Held:
    return Held(count(positives), percent(positives / images) if images else "")


def left_out(evaluation: Evaluation) -> str:
    """How many images of each label were uncertain or blank; empty where none were."""
    held = {
        name: [f"{count(n)} {kind}" for kind, n in kinds.items() if n]
        for name, kinds in evaluation.left_out.items()
    }
    if evaluation.kind == "exclusive":  # the same images for every class
        return next((" and ".join(kinds) for kinds in held.values() if kinds), "")
    return "; ".join(f"{name} {' and '.join(kinds)}" for name, kinds in held.items() if kinds)


@dataclass(frozen=True)
class Reason:
    """Files that were rejected for the same reason."""

    count: int
    reason: str
    remedy: str
    names: list[str]


def rejects(frame: pl.DataFrame | None) -> tuple[list[Reason], int]:
    """What was rejected and why, most frequent first, and how many files stand in no row."""
    if frame is None or frame.is_empty():
        return [], 0
    for column in ("path", "reason", "remedy"):
        if column not in frame.columns:
            frame = frame.with_columns(pl.lit("").alias(column))
    text = frame.select(pl.col("path", "reason", "remedy").cast(pl.String).fill_null(""))
    plain = text.with_columns(
        *(pl.col(c).map_elements(without_folders, pl.String) for c in ("reason", "remedy"))
    )
    groups = (
        plain.group_by("reason", "remedy", maintain_order=True)
        .agg(pl.len().alias("count"), pl.col("path").head(3))
        .sort("count", descending=True, maintain_order=True)
    )
    shown = groups.head(REJECTS)
    rows = [
        Reason(row["count"], row["reason"], row["remedy"], [file_name(p) for p in row["path"]])
        for row in shown.iter_rows(named=True)
    ]
    return rows, frame.height - sum(row.count for row in rows)


@dataclass(frozen=True)
class Phase:
    """How long one phase took."""

    name: str
    shown: str
    share: float


def phases(record: Record) -> list[Phase]:
    """Seconds per phase, in the order in which they happened; `share` is of the longest."""
    longest = max(record.seconds.values(), default=0.0) or 1.0
    return [
        Phase(name.replace("_", " ").capitalize(), duration(s), s / longest)
        for name, s in record.seconds.items()
    ]


Facts = dict[str, str]
_TOLD = (  # of run.json's network
    "backbone",
    "weights",
    "loaded",
    "parameters",
    "trainable",
    "phases",
    "fitted",
)


def training(record: Record) -> Facts:
    """What was trained, and how it ended."""
    network, best = record.network, record.best
    facts = {
        "Backbone": network.get("backbone"),
        "Weights it started from": _weights(record),
        "Parameters": _counted(network.get("parameters")),
        "Trainable": _trainable(network),
        **{k.replace("_", " ").capitalize(): v for k, v in network.items() if k not in _TOLD},
        "Phases": "; ".join(_phase(one) for one in network.get("phases") or ()),
        "Fitted": "; ".join(_fitted(*one) for one in (network.get("fitted") or {}).items()),
        "Best epoch": _best(best),
        "Seed": record.seed,
        "Started": moment(record.started),
        "Finished": moment(record.finished),
        "Test images read": moment(record.test_read),
        "Resumed": count(record.resumed, "time") if record.resumed else None,
    }
    return _said(facts)


def _phase(phase: Mapping[str, Any]) -> str:
    """One phase of training, in a few words."""
    frozen = phase.get("freeze_through")
    still = f", frozen through {frozen}" if frozen else ""
    if not phase.get("epochs"):
        return str(phase.get("name"))
    rate = f"at {phase['rate']:g}" if isinstance(phase.get("rate"), int | float) else ""
    return f"{phase.get('name')}: {count(phase['epochs'], 'epoch')} {rate}{still}"


def _fitted(name: str, found: Mapping[str, Any]) -> str:
    """One model that was fitted: its penalty, and what the cross-validation said of it."""
    said = [f"{found.get('model')}, C {found.get('c'):g}"]
    if found.get("folds", 1) > 1:
        said.append(f"in {found['folds']} folds of the training part")
    for key, shown in (("loss_cv", "loss"), ("auroc_cv", "AUROC")):
        if (value := found.get(key)) is not None:
            spread = found.get(f"{key}_spread")
            said.append(f"{shown} {value:.3f}" + (f" ± {spread:.3f}" if spread is not None else ""))
    return ("" if name == "classes" else f"{name}: ") + ", ".join(said)


def _weights(record: Record) -> str:
    """Name and hash of the weights; what came of loading them where the run says so."""
    weights, loaded = record.network.get("weights"), record.network.get("loaded")
    if weights in (None, "", "none"):
        return "random"
    digest = record.inputs.get("weights")
    name = without_folders(str(weights)) + (f" (SHA-256 {digest[:12]}…)" if digest else "")
    return f"{name}: {loaded}" if loaded else name


def _counted(value: Any) -> str | None:
    return count(value) if isinstance(value, int | float) else None


def _trainable(network: Mapping[str, Any]) -> str | None:
    some, whole = network.get("trainable"), network.get("parameters")
    if not isinstance(some, int | float):
        return None
    if not isinstance(whole, int | float) or not whole:
        return count(some)
    return "all" if some == whole else f"{count(some)} ({percent(some / whole, digits=1)})"


def _best(best: Mapping[str, Any]) -> str | None:
    if best.get("epoch") is None:
        return None
    value = best.get("value")
    name = str(best.get("metric", "score"))
    name = f"{label(name.removesuffix('_val'))} on validation" if name.endswith("_val") else name
    return f"{best['epoch']}" + (f" ({name} {value:.4f})" if isinstance(value, float) else "")


def machine(record: Record) -> Facts:
    """Hardware, precision and versions."""
    facts: dict[str, Any] = {
        key.replace("_", " ").replace("gib", "(GiB)").capitalize(): value
        for key, value in {**record.hardware, **record.compute}.items()
    }
    facts["medgraft"] = record.medgraft
    return _said({**facts, **record.versions})


def inputs(record: Record) -> Facts:
    """Hashes of what went in."""
    return _said({name.capitalize(): digest for name, digest in record.inputs.items()})


def _said(facts: Mapping[str, Any]) -> Facts:
    return {name: _text(value) for name, value in facts.items() if value not in (None, "", [], {})}


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k}: {_text(v)}" for k, v in value.items())
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ", ".join(_text(v) for v in value)
    return (
        without_folders(str(value))
        if isinstance(value, str)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )


def command(record: Record) -> str:
    """The command that repeats the run, folders taken out of its paths."""
    words = [settings_without_folders(word) for word in record.command]
    return shlex.join(words)
