"""Two models on the same rows: differences, resampled together.

Both models see the same replicates, so what makes a replicate hard for one makes it hard
for the other, and cancels. Comparing two separate intervals by eye would miss most of that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from medgraft.evaluate.bootstrap import Rule
from medgraft.evaluate.measure import Measured, Measurement, Writer, measure


def paired(
    truth: Any,
    first: Any,
    second: Any,
    *,
    names: Sequence[str],
    kind: str,
    patients: Any = None,
    first_thresholds: float | Mapping[str, float] | None = None,
    second_thresholds: float | Mapping[str, float] | None = None,
    positive: str | None = None,
    metrics: Sequence[str] | None = None,
    replicates: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
    rule: Rule = "linear",
) -> dict[str, Any]:
    """Every metric of the second model minus that of the first, with intervals.

    Args:
        truth: As for `evaluate`, the same rows for both.
        first: Probabilities of the first model.
        second: Probabilities of the second model.
        names: Of the labels or classes.
        kind: "exclusive" or "independent".
        patients: Whose image each row is, shape (N,); None resamples images.
        first_thresholds: Of the first model, as for `evaluate`.
        second_thresholds: Of the second model.
        positive: Of two exclusive classes the one to speak of.
        metrics: Which to compare; all registered ones where None.
        replicates: Bootstrap replicates.
        seed: Of the replicates.
        confidence: Share of replicates inside an interval.
        rule: How its ends are read off, see `bootstrap.interval`.

    Returns:
        `metrics` and `classes` as in `evaluation.json`; each entry holds the difference and also
        `excludes_zero`: whether the whole interval lies on one side (None without one).
        Many metrics compared at once will exclude zero now and then by chance.

    Examples:
        >>> truth, score = [0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]
        >>> paired(truth, score, score, names=["mass"], kind="independent",
        ...        metrics=["auroc"], replicates=200)["metrics"]["auroc"]["high"]
        0.0
    """
    models = [
        measure(
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
        for probability, thresholds in ((first, first_thresholds), (second, second_thresholds))
    ]
    return differences(*models, replicates=replicates, seed=seed, confidence=confidence, rule=rule)


def differences(
    first: Measurement,
    second: Measurement,
    *,
    replicates: int,
    seed: int,
    confidence: float = 0.95,
    rule: Rule = "linear",
) -> dict[str, Any]:
    """What `paired` returns, of two models that are measured already: of many, each once.

    Args:
        first: The first model, measured with these replicates and this seed.
        second: The second one, on the same rows.
        replicates: For the record.
        seed: Likewise.
        confidence: Share of replicates inside an interval.
        rule: How its ends are read off, see `bootstrap.interval`.
    """
    write = Writer(first.units, confidence, rule)
    return {
        "n_images": first.asked.rows,
        "n_patients": first.units.count if first.units.name == "patient" else None,
        "replicates": replicates,
        "unit": first.units.name,
        "confidence": confidence,
        "seed": seed,
        "metrics": _differences(first.metrics, second.metrics, write),
        "classes": {
            name: _differences(table, second.classes[name], write)
            for name, table in first.classes.items()
        },
    }


def _differences(
    first: Mapping[str, Measured], second: Mapping[str, Measured], write: Writer
) -> dict[str, Any]:
    return {name: difference(one, second[name], write) for name, one in first.items()}


def difference(first: Measured, second: Measured, write: Writer) -> dict[str, Any]:
    """The entry of one metric: second minus first, replicate by replicate."""
    reasons = dict.fromkeys(reason for reason in (first.reason, second.reason) if reason)
    entry = write.entry(
        Measured(second.value - first.value, second.drawn - first.drawn, "; ".join(reasons))
    )
    low, high = entry["low"], entry["high"]
    entry["excludes_zero"] = None if low is None else bool(low > 0 or high < 0)
    return entry
