"""Judge a table of predictions: what `evaluation.json` holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from medgraft.errors import UndefinedMetricError
from medgraft.evaluate.bootstrap import Rule
from medgraft.evaluate.confusion import confusion
from medgraft.evaluate.labels import Labels, read_labels
from medgraft.evaluate.measure import MIDDLE, Judged, Writer, measure
from medgraft.evaluate.threshold import choose_threshold


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
    found = measure(
        truth,
        probability,
        names=names,
        kind=kind,
        patients=patients,
        thresholds=thresholds,
        positive=positive,
        wanted=metrics,
        replicates=replicates,
        seed=seed,
    )
    asked, units, write = found.asked, found.units, Writer(found.units, confidence, rule)
    return {
        "split": split,
        "n_images": asked.rows,
        "n_patients": units.count if units.name == "patient" else None,
        "replicates": replicates,
        "unit": units.name,
        "confidence": confidence,
        "seed": seed,
        "kind": asked.kind,
        "names": list(found.classes),
        "positive": asked.positive,
        "metrics": write.entries(found.metrics),
        "classes": {name: write.entries(table) for name, table in found.classes.items()},
        "confusion": _confusion(asked, found.judged),
        "threshold": _as_recorded(asked, found.chosen),
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


def _confusion(asked: Labels, judged: tuple[Judged, ...]) -> Any:
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
