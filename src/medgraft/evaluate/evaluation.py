"""Judge a table of predictions: what `evaluation.json` holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from medgraft.errors import ArgumentError, UndefinedMetricError
from medgraft.evaluate import bootstrap, check
from medgraft.evaluate.bootstrap import Rule, Task
from medgraft.evaluate.check import Bools, Floats, Units
from medgraft.evaluate.confusion import confusion
from medgraft.evaluate.estimate import estimate
from medgraft.evaluate.labels import Label, Labels, read_labels
from medgraft.evaluate.metrics import Metric
from medgraft.evaluate.metrics import metrics as registry
from medgraft.evaluate.sample import Cases
from medgraft.evaluate.threshold import choose_threshold
from medgraft.registry import unknown_name

MIDDLE = 0.5  # the threshold where none was chosen


def evaluate(
    truth: Any,
    probability: Any,
    *,
    names: Sequence[str],
    kind: str,
    patients: Any = None,
    thresholds: float | Mapping[str, float] | None = None,
    threshold_rule: str | None = None,
    threshold_split: str | None = None,
    split: str | None = None,
    positive: str | None = None,
    metrics: Sequence[str] | None = None,
    replicates: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
    rule: Rule = "linear",
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """Metrics with intervals, per label and together.

    Independent labels: each is judged at its own threshold on the rows where it is known;
    `metrics` holds the means over labels. Two exclusive classes: `metrics` speaks of the
    positive one, at its threshold. Three or more: every class against the rest, decided by
    the highest probability; `metrics` holds their means, but its accuracy is the share of
    rows given their own class.

    Args:
        truth: (N, K): 1, 0, -1 uncertain, NaN blank; for exclusive classes one 1 per row, or
            (N,): the number of the class.
        probability: In [0, 1], shape (N, K), or (N,) where one column says all.
        names: Of the K labels or classes.
        kind: "exclusive" or "independent".
        patients: Whose image each row is, shape (N,); None resamples images, which gives
            intervals that are too narrow where patients have several.
        thresholds: A probability at or above it is called positive; a number for all, or
            one per name; 0.5 where None. Three or more exclusive classes take none.
        threshold_rule: How it was chosen, for the record.
        threshold_split: On which rows it was chosen, for the record.
        split: Which rows these are, for the record.
        positive: Of two exclusive classes the one to speak of; the second where None.
        metrics: Which to compute; all registered ones where None.
        replicates: Bootstrap replicates; 0 gives no intervals.
        seed: Of the replicates.
        confidence: Share of replicates inside an interval.
        rule: How its ends are read off, see `bootstrap.interval`.
        notes: Sentences to keep beside the numbers.

    Returns:
        What `evaluation.json` holds, see docs/reference/metrics.md. A number that the rows
        do not define is None, with a reason; it is never NaN.

    Raises:
        ShapeError: If shapes do not fit each other, or there are no rows.
        ArgumentError: If a value is out of its range.
        UnknownNameError: If a metric, `positive` or a threshold's name is unknown.

    Examples:
        >>> found = evaluate([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], names=["mass"],
        ...                  kind="independent", replicates=100)
        >>> found["metrics"]["auroc"]["value"], found["confusion"]["mass"]
        (0.75, [[2, 0], [1, 1]])
    """
    asked = read_labels(truth, probability, names=names, kind=kind, positive=positive)
    units = check.units(patients, asked.rows)
    wanted = [registry.get(name) for name in (metrics or registry.names())]
    chosen = _thresholds(asked, thresholds)
    judged = _judge(asked, chosen, units)
    tasks: list[Task] = [(one.cases, wanted) for one in judged]
    if asked.kind == "exclusive" and asked.positive is None:
        tasks.append((_right_or_wrong(asked, units), [m for m in wanted if m.name == "accuracy"]))
    once = [bootstrap.values(bootstrap.once(cases), which) for cases, which in tasks]
    drawn = bootstrap.replicate(tasks, replicates=replicates, seed=seed)
    state = _State(units, confidence, rule)
    classes = {
        one.label.name: {
            metric.name: state.entry(
                once[k][m], drawn[k][m], metric.reason(one.cases.truth, one.cases.decision)
            )
            for m, metric in enumerate(wanted)
        }
        for k, one in enumerate(judged)
    }
    return {
        "split": split,
        "n_images": asked.rows,
        "n_patients": units.count if units.name == "patient" else None,
        "replicates": replicates,
        "unit": units.name,
        "confidence": confidence,
        "seed": seed,
        "kind": asked.kind,
        "names": [one.label.name for one in judged],
        "positive": asked.positive,
        "metrics": _together(asked, wanted, once, drawn, classes, state),
        "classes": classes,
        "confusion": _confusion(asked, judged),
        "threshold": _as_recorded(asked, chosen),
        "threshold_rule": _rule(asked, thresholds, threshold_rule),
        "threshold_split": threshold_split,
        "left_out": {
            label.name: {"uncertain": label.uncertain, "blank": label.blank}
            for label in asked.labels
        },
        "notes": list(notes),
    }


def choose_thresholds(
    truth: Any,
    probability: Any,
    *,
    names: Sequence[str],
    kind: str,
    rule: str | float = "youden",
    positive: str | None = None,
) -> tuple[dict[str, float], list[str]]:
    """One threshold per name that is decided by one, chosen on these (validation) rows.

    Args:
        truth: As for `evaluate`.
        probability: As for `evaluate`.
        names: Of the labels or classes.
        kind: "exclusive" or "independent".
        rule: See `choose_threshold`.
        positive: Of two exclusive classes the one to speak of.

    Returns:
        Thresholds by name, to be passed to `evaluate` (none for three or more exclusive
        classes), and a sentence for each name whose rows do not define the rule: it is given 0.5.

    Examples:
        >>> choose_thresholds([[0, 0], [1, 0]], [[0.2, 0.1], [0.6, 0.1]],
        ...                   names=["mass", "calcification"], kind="independent")
        ({'mass': 0.4, 'calcification': 0.5}, ["threshold of 'calcification' is 0.5: the threshold
        rule 'youden' needs both classes; the 2 rows are all negative. Give a number instead."])
    """
    asked = read_labels(truth, probability, names=names, kind=kind, positive=positive)
    chosen: dict[str, float] = {}
    notes = []
    for label in asked.by_threshold:
        try:
            chosen[label.name] = choose_threshold(label.truth, label.score, rule)
        except UndefinedMetricError as error:
            chosen[label.name] = MIDDLE
            notes.append(f"threshold of {label.name!r} is {MIDDLE}: {error}")
    return chosen, notes


@dataclass(frozen=True)
class _Judged:
    label: Label
    cases: Cases


@dataclass(frozen=True)
class _State:
    """What every entry needs to know."""

    units: Units
    confidence: float
    rule: Rule

    def entry(self, value: Floats, replicates: Floats, why: str) -> dict[str, Any]:
        undefined = bool(np.isnan(value[0]))
        return self.plain(float(value[0]), replicates, why if undefined else "")

    def plain(self, value: float, replicates: Floats, reason: str) -> dict[str, Any]:
        return estimate(
            value,
            replicates,
            reason=reason,
            units=self.units.count,
            unit=self.units.name,
            confidence=self.confidence,
            rule=self.rule,
        )


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


def _judge(asked: Labels, chosen: dict[str, float], units: Units) -> list[_Judged]:
    return [
        _Judged(
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
    asked: Labels,
    wanted: Sequence[Metric],
    once: list[list[Floats]],
    drawn: list[list[Floats]],
    classes: dict[str, Any],
    state: _State,
) -> dict[str, Any]:
    """The metrics of the positive label, or the means over labels."""
    if asked.positive is not None:
        return dict(classes[asked.positive])
    labels = len(asked.labels)
    table = {
        metric.name: _mean(
            [label.name for label in asked.labels],
            np.array([once[k][m][0] for k in range(labels)]),
            np.array([drawn[k][m] for k in range(labels)]),
            state,
        )
        for m, metric in enumerate(wanted)
    }
    if asked.kind == "exclusive" and "accuracy" in table:
        table["accuracy"] = state.entry(once[-1][0], drawn[-1][0], "")
    return table


def _mean(names: list[str], values: Floats, drawn: Floats, state: _State) -> dict[str, Any]:
    """Mean over the labels that define the metric; those that do not are named."""
    defined = ~np.isnan(values)
    missing = [name for name, has in zip(names, defined, strict=True) if not has]
    if not defined.any():
        return state.plain(np.nan, drawn.mean(axis=0), "undefined for every label")
    reason = (
        f"mean of {defined.sum()} of {len(names)} labels; undefined for {', '.join(missing)}"
        if missing
        else ""
    )
    return state.plain(float(values[defined].mean()), drawn[defined].mean(axis=0), reason)


def _confusion(asked: Labels, judged: list[_Judged]) -> Any:
    if asked.kind == "independent":
        return {
            one.label.name: confusion(one.cases.truth, one.cases.decision).tolist()
            for one in judged
        }
    if asked.positive is None:
        return confusion(asked.actual, asked.predicted, classes=len(judged)).tolist()
    second = judged[1].cases
    return confusion(second.truth, second.decision).tolist()


def _as_recorded(asked: Labels, chosen: dict[str, float]) -> float | dict[str, float] | None:
    if asked.kind == "exclusive" or len(chosen) == 1:
        return next(iter(chosen.values()), None)
    return chosen


def _rule(asked: Labels, given: Any, told: str | None) -> str:
    if not asked.by_threshold:
        return "highest probability"
    return told or ("given" if given is not None else f"{MIDDLE} (default)")
