"""Arms of an experiment, each the mean of its runs over seeds: what transfer.json holds.

The patients are drawn anew in every replicate, for all runs alike, and the mean over seeds is
taken inside the replicate: the interval says how far the answer depends on the patients who
were tested. How far it depends on the seed is another question, and stands apart.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from medgraft.errors import ArgumentError, ShapeError, TableError
from medgraft.evaluate.measure import Measured, Writer, measure_table
from medgraft.evaluate.paired import difference
from medgraft.evaluate.table import Predictions
from medgraft.report.contracts import ArmAsked, Experiment
from medgraft.report.figures.hexagon import SPOKES
from medgraft.report.pairs import BY_CHANCE, CONFIDENCE, correct, delong_of_runs, thresholds
from medgraft.report.rows import same_rows
from medgraft.report.saved import Saved

BY_PATIENT = (
    "Intervals are of the patients who were tested: in each replicate the same patients are drawn"
    " for all runs. The spread over seeds (first weights, order of the images, and which labels"
    " are known where they are few) stands apart and is no part of them."
)
OWN_THRESHOLD = "Each run is judged at the threshold that it chose on its own validation images."


@dataclass(frozen=True)
class Run:
    """A finished run, on the rows of the experiment.

    Attributes:
        seed: Its seed.
        saved: What it left.
        rows: Its predictions, in the order of all other runs.
        metrics: The six metrics, with their replicates.
    """

    seed: int
    saved: Saved
    rows: Predictions
    metrics: Mapping[str, Measured]


def answers(
    experiment: Experiment,
    saved: Mapping[tuple[str, int], Saved],
    *,
    replicates: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Every arm, and every arm minus the reference.

    Args:
        experiment: What was asked.
        saved: The finished runs by arm and seed, at least one.
        replicates: Bootstrap replicates.
        seed: Of the replicates.

    Returns:
        What transfer.json holds, see docs/reference/metrics.md.

    Raises:
        TableError: If the runs were not judged on the same rows.
    """
    runs, writer, units = _measured(saved, replicates, seed)
    of_arm = {arm.name: [run for (name, _), run in runs.items() if name == arm.name]
              for arm in experiment.arms}  # fmt: skip
    first = next(iter(saved.values())).evaluation
    reference = of_arm[experiment.reference]
    differences = [
        _difference(name, reference, held, writer)
        for name, held in of_arm.items()
        if name != experiment.reference
    ]
    found = [one for one in differences if one is not None]
    correct([one["delong"] for one in found])
    return {
        "reference": experiment.reference,
        "seeds": experiment.seeds,
        "labels_per_class": experiment.labels_per_class,
        "split": first.split,
        **units,
        "replicates": replicates,
        "seed": seed,
        "confidence": CONFIDENCE,
        "kind": first.kind,
        "names": first.names,
        "positive": first.positive,
        "arms": [
            _arm(arm, of_arm[arm.name], reference, experiment, writer) for arm in experiment.arms
        ],
        "differences": found,
        "notes": [BY_PATIENT, OWN_THRESHOLD, BY_CHANCE, *_lost_time(runs)],
    }


def _measured(
    saved: Mapping[tuple[str, int], Saved], replicates: int, seed: int
) -> tuple[dict[tuple[str, int], Run], Writer, dict[str, Any]]:
    names = [f"{arm} (seed {number})" for arm, number in saved]
    rows = same_rows(list(saved.values()), names)
    runs = {}
    for ((arm, number), one), table in zip(saved.items(), rows, strict=True):
        try:
            found = measure_table(
                table,
                wanted=SPOKES,
                replicates=replicates,
                seed=seed,
                thresholds=thresholds(one.evaluation),
            )
        except (ArgumentError, ShapeError) as error:
            raise TableError(f"'{one.folder}' cannot be judged: {error}") from error
        runs[arm, number] = Run(number, one, table, found.metrics)
    units = {
        "n_images": found.asked.rows,
        "n_patients": found.units.count if found.units.name == "patient" else None,
        "unit": found.units.name,
    }
    return runs, Writer(found.units, CONFIDENCE, "linear"), units


def mean(measured: Sequence[Measured]) -> Measured:
    """The mean over runs, in every replicate; undefined where any of them is.

    Examples:
        >>> one, two = Measured(0.5, np.array([0.4, 0.6])), Measured(1.0, np.array([0.8, np.nan]))
        >>> found = mean([one, two])
        >>> found.value, found.drawn.round(3).tolist()
        (0.75, [0.6, nan])
    """
    reasons = dict.fromkeys(one.reason for one in measured if one.reason)
    return Measured(
        float(np.mean([one.value for one in measured])),
        np.mean([one.drawn for one in measured], axis=0),
        "; ".join(reasons),
    )


def spread(values: Sequence[float | None]) -> dict[str, float | None]:
    """Mean, standard deviation (of a sample), least and largest; of those that are known.

    Examples:
        >>> spread([1.0, 2.0, None, 3.0])
        {'mean': 2.0, 'sd': 1.0, 'least': 1.0, 'largest': 3.0}
        >>> spread([5.0])["sd"] is None
        True
    """
    known = [float(value) for value in values if value is not None and not np.isnan(value)]
    if not known:
        return {"mean": None, "sd": None, "least": None, "largest": None}
    return {
        "mean": float(np.mean(known)),
        "sd": float(np.std(known, ddof=1)) if len(known) > 1 else None,
        "least": min(known),
        "largest": max(known),
    }


def _arm(
    arm: ArmAsked, runs: Sequence[Run], reference: Sequence[Run], asked: Experiment, write: Writer
) -> dict[str, Any]:
    own = [run for run in asked.runs if run.arm == arm.name]
    held = {run.seed: run for run in runs}
    return {
        "arm": arm.name,
        "strategy": arm.strategy,
        "weights": re.split(r"[/\\]", arm.weights)[-1],  # a page travels further than its folders
        "settings": arm.settings,
        "metrics": {} if not runs else _metrics(runs, write),
        "seconds": spread([seconds(run.saved) for run in runs]),
        "ratio": _ratio(runs, reference),
        "parameters": _network(runs, "parameters"),
        "trainable": _network(runs, "trainable"),
        "runs": [
            {
                "seed": run.seed,
                "folder": run.folder,
                "failure": run.failure,
                "seconds": seconds(held[run.seed].saved) if run.seed in held else None,
                "metrics": {
                    name: None if np.isnan(value.value) else value.value
                    for name, value in held[run.seed].metrics.items()
                }
                if run.seed in held
                else {},
            }
            for run in own
        ],
    }


def _metrics(runs: Sequence[Run], write: Writer) -> dict[str, Any]:
    return {
        name: write.entry(mean([run.metrics[name] for run in runs]))
        | {"over_seeds": spread([run.metrics[name].value for run in runs])}
        for name in SPOKES
    }


def seconds(saved: Saved) -> float | None:
    """Wall time of training alone; None if it was not recorded."""
    return None if saved.record is None else saved.record.seconds.get("train")


def _network(runs: Sequence[Run], key: str) -> Any:
    records = [run.saved.record for run in runs]
    return next((record.network.get(key) for record in records if record is not None), None)


def _ratio(runs: Sequence[Run], reference: Sequence[Run]) -> dict[str, float | None]:
    """Seconds of training over those of the reference, seed by seed."""
    base = {run.seed: seconds(run.saved) for run in reference}
    found: list[float | None] = []
    for run in runs:
        own, other = seconds(run.saved), base.get(run.seed)
        found.append(own / other if own is not None and other else None)
    return spread(found)


def _difference(
    name: str, reference: Sequence[Run], runs: Sequence[Run], write: Writer
) -> dict[str, Any] | None:
    """An arm minus the reference, over the seeds that both have finished; None without any."""
    base = {run.seed: run for run in reference}
    second = [run for run in runs if run.seed in base]
    first = [base[run.seed] for run in second]
    if not second:
        return None
    return {
        "arm": name,
        "seeds": [run.seed for run in second],
        "metrics": {metric: _entry(first, second, metric, write) for metric in SPOKES},
        "delong": delong_of_runs([run.rows for run in first], [run.rows for run in second]),
    }


def _entry(
    first: Sequence[Run], second: Sequence[Run], metric: str, write: Writer
) -> dict[str, Any]:
    entry = difference(
        mean([run.metrics[metric] for run in first]),
        mean([run.metrics[metric] for run in second]),
        write,
    )
    entry["over_seeds"] = spread(
        [
            b.metrics[metric].value - a.metrics[metric].value
            for a, b in zip(first, second, strict=True)
        ]
    )
    return entry


def _lost_time(runs: Mapping[tuple[str, int], Run]) -> list[str]:
    resumed = [
        f"{arm} (seed {seed})"
        for (arm, seed), run in runs.items()
        if run.saved.record is not None and run.saved.record.resumed
    ]
    if not resumed:
        return []
    return [
        "These runs were stopped and resumed; if they were killed, their wall time lacks what"
        f" was not saved: {', '.join(resumed)}."
    ]
