"""Compute metrics and their replicates, per label and together; numbers only, no words about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from medgraft.errors import ArgumentError
from medgraft.evaluate import bootstrap, check
from medgraft.evaluate.bootstrap import Rule, Task
from medgraft.evaluate.check import Bools, Floats, Units
from medgraft.evaluate.estimate import estimate
from medgraft.evaluate.labels import Label, Labels, read_labels
from medgraft.evaluate.metrics import Metric, metrics
from medgraft.evaluate.sample import Cases
from medgraft.evaluate.table import Predictions
from medgraft.registry import unknown_name

MIDDLE = 0.5  # the threshold where none was chosen


@dataclass(frozen=True)
class Measured:
    """One number.

    Attributes:
        value: On the rows as they are; NaN where they do not define it.
        drawn: In each replicate, shape (R,); NaN where undefined.
        reason: Why it is undefined, or what it leaves out; "" for nothing.
    """

    value: float
    drawn: Floats
    reason: str = ""


@dataclass(frozen=True)
class Judged:
    """One label and its rows, decided at its threshold."""

    label: Label
    cases: Cases


@dataclass(frozen=True)
class Measurement:
    """All numbers about one table of predictions.

    Attributes:
        asked: The labels.
        chosen: Threshold of each label that is decided by one.
        units: What was resampled.
        judged: One per label.
        metrics: Of the positive label, or means over labels, by name of the metric.
        classes: Of each label by its name.
    """

    asked: Labels
    chosen: dict[str, float]
    units: Units
    judged: tuple[Judged, ...]
    metrics: dict[str, Measured]
    classes: dict[str, dict[str, Measured]]


@dataclass(frozen=True)
class Writer:
    """Turns numbers into the entries of `evaluation.json`."""

    units: Units
    confidence: float
    rule: Rule

    def entry(self, measured: Measured) -> dict[str, Any]:
        """One metric: value, low, high, and what else must be known."""
        return estimate(
            measured.value,
            measured.drawn,
            reason=measured.reason,
            units=self.units.count,
            unit=self.units.name,
            confidence=self.confidence,
            rule=self.rule,
        )

    def entries(self, table: Mapping[str, Measured]) -> dict[str, Any]:
        """All metrics of one label."""
        return {name: self.entry(measured) for name, measured in table.items()}


def measure(
    truth: Any,
    probability: Any,
    *,
    names: Sequence[str],
    kind: str,
    patients: Any,
    thresholds: float | Mapping[str, float] | None,
    positive: str | None,
    wanted: Sequence[str] | None,
    replicates: int,
    seed: int,
) -> Measurement:
    """Every wanted metric of every label, with its replicates; arguments as for `evaluate`."""
    asked = read_labels(truth, probability, names=names, kind=kind, positive=positive)
    units = check.units(patients, asked.rows)
    chosen = _thresholds(asked, thresholds)
    judged = _judge(asked, chosen, units)
    which = [metrics.get(name) for name in (wanted or metrics.names())]
    tasks: list[Task] = [(one.cases, which) for one in judged]
    if _many_classes(asked):
        tasks.append((_right_or_wrong(asked, units), [m for m in which if m.name == "accuracy"]))
    tables = _tables(tasks, replicates, seed)
    classes = {
        one.label.name: table for one, table in zip(judged, tables[: len(judged)], strict=True)
    }
    together = _together(asked, which, classes)
    if _many_classes(asked):
        together |= tables[-1]
    return Measurement(asked, chosen, units, tuple(judged), together, classes)


def measure_table(
    table: Predictions,
    *,
    wanted: Sequence[str] | None = None,
    replicates: int,
    seed: int,
    thresholds: float | Mapping[str, float] | None = None,
) -> Measurement:
    """`measure` of predictions as a table holds them."""
    return measure(
        table.truth,
        table.probability,
        names=table.names,
        kind=table.kind,
        patients=table.patients,
        thresholds=thresholds,
        positive=table.positive,
        wanted=wanted,
        replicates=replicates,
        seed=seed,
    )


def _tables(tasks: Sequence[Task], replicates: int, seed: int) -> list[dict[str, Measured]]:
    drawn = bootstrap.replicate(tasks, replicates=replicates, seed=seed)
    return [
        {
            metric.name: _measured(cases, metric, value, replicated)
            for metric, value, replicated in zip(
                which, bootstrap.values(bootstrap.once(cases), which), of_task, strict=True
            )
        }
        for (cases, which), of_task in zip(tasks, drawn, strict=True)
    ]


def _measured(cases: Cases, metric: Metric, value: Floats, drawn: Floats) -> Measured:
    why = metric.reason(cases.truth, cases.decision) if np.isnan(value[0]) else ""
    return Measured(float(value[0]), drawn, why)


def _many_classes(asked: Labels) -> bool:
    return asked.kind == "exclusive" and asked.positive is None


def _thresholds(asked: Labels, given: float | Mapping[str, float] | None) -> dict[str, float]:
    names = [label.name for label in asked.by_threshold]
    if isinstance(given, Mapping):
        for name in given:
            if name not in names:
                raise unknown_name("label with a threshold", name, names)
        missing = [name for name in names if name not in given]
        if missing:
            raise ArgumentError(
                f"thresholds must name every label, but {missing} have none. Add them, or give one number."
            )
        chosen = {name: float(given[name]) for name in names}
    else:
        if given is not None and not names:
            raise ArgumentError(
                "three or more exclusive classes take no threshold: the highest probability"
                f" decides, got {given!r}. Leave thresholds out."
            )
        chosen = dict.fromkeys(names, MIDDLE if given is None else float(given))
    wrong = {name: value for name, value in chosen.items() if not np.isfinite(value)}
    if wrong:
        raise ArgumentError(f"thresholds must be finite numbers, got {wrong}")
    return chosen


def _judge(asked: Labels, chosen: dict[str, float], units: Units) -> list[Judged]:
    return [
        Judged(
            label,
            Cases(
                label.truth,
                label.score,
                _decision(asked, number, chosen),
                units.of_row[label.rows],
                units.count,
            ),
        )
        for number, label in enumerate(asked.labels)
    ]


def _decision(asked: Labels, number: int, chosen: dict[str, float]) -> Bools:
    label = asked.labels[number]
    if label.name in chosen:
        return np.asarray(label.score >= chosen[label.name])
    if asked.positive is not None:  # the other one of two exclusive classes
        return ~_decision(asked, 1 - number, chosen)
    return np.asarray(asked.predicted == number)


def _right_or_wrong(asked: Labels, units: Units) -> Cases:
    """Every row as a positive that is called so where it got its own class."""
    right = np.asarray(asked.predicted == asked.actual)
    rows = asked.labels[0].rows
    return Cases(
        np.ones(len(right), np.bool_), right.astype(float), right, units.of_row[rows], units.count
    )


def _together(
    asked: Labels, which: Sequence[Metric], classes: dict[str, dict[str, Measured]]
) -> dict[str, Measured]:
    """The metrics of the positive label, or the means over labels."""
    if asked.positive is not None:
        return dict(classes[asked.positive])
    return {
        metric.name: mean_over_labels({name: table[metric.name] for name, table in classes.items()})
        for metric in which
    }


def mean_over_labels(of_labels: Mapping[str, Measured]) -> Measured:
    """Mean over the labels that define the metric; those that do not are named."""
    defined = [one for one in of_labels.values() if not np.isnan(one.value)]
    missing = [name for name, one in of_labels.items() if np.isnan(one.value)]
    if not defined:
        first = next(iter(of_labels.values()))
        return Measured(np.nan, np.full_like(first.drawn, np.nan), "undefined for every label")
    reason = (
        f"mean of {len(defined)} of {len(of_labels)} labels; undefined for {', '.join(missing)}"
    )
    return Measured(
        float(np.mean([one.value for one in defined])),
        np.mean([one.drawn for one in defined], axis=0),
        reason if missing else "",
    )
