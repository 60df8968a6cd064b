"""What choosing was worth in a simulation: the numbers that results.json holds.

In each replicate patients of the test part are drawn with replacement, the same for all arms, and so are
the seeds; a curve is the mean over the drawn seeds. An interval thus says how far a number
depends on who was tested and on the luck of heads, orders and draws.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from medgraft.errors import TableError, TrainingError
from medgraft.evaluate import check
from medgraft.evaluate.alc import areas
from medgraft.evaluate.bootstrap import interval
from medgraft.evaluate.check import Floats
from medgraft.evaluate.efficiency import labels_needed, saving, wins
from medgraft.evaluate.measure import Measured, Writer, measure_table
from medgraft.evaluate.repeats import minus, over_seeds
from medgraft.evaluate.table import Predictions, of_run
from medgraft.files import read_json
from medgraft.progress import track
from medgraft.report.arms import spread
from medgraft.report.contracts import ArmPlayed, RoundPlayed, Simulation, checked

METRIC = "auroc"
GOALS = (0.9, 0.95, 0.99, 1.0)  # shares of the score of all labels; 0.99 for easy questions
CONFIDENCE = 0.95
AXES = ("linear", "log")


@dataclass(frozen=True)
class Curve:
    """One arm with one seed, or all labels: T points and R replicates of each.

    Attributes:
        value: Shape (T,).
        drawn: With other patients, shape (R, T).
    """

    value: Floats
    drawn: Floats


@dataclass(frozen=True)
class Played:
    """One arm.

    Attributes:
        arm: What it is.
        rounds: Of each seed.
        curves: Of each seed.
        mean: Over the seeds: of all of them, and of those that each replicate drew.
    """

    arm: ArmPlayed
    rounds: list[list[RoundPlayed]]
    curves: list[Curve]
    mean: Curve


def results(
    folder: Path, asked: Simulation, *, replicates: int = 1000, seed: int = 0
) -> dict[str, Any]:
    """Judge all answers of a simulation, which nobody has read before.

    Args:
        folder: Of the simulation.
        asked: Its simulation.json.
        replicates: Bootstrap replicates.
        seed: Of the replicates.

    Returns:
        What results.json holds, see docs/reference/metrics.md.

    Raises:
        TrainingError: If no seed is finished by all arms.
        TableError: If a file is missing or not as it must be.
    """
    seeds = _finished(folder, asked)
    judge = _Judge(folder, asked, replicates, seed)
    played = [_played(folder, arm, seeds, judge) for arm in asked.arms]
    labels = [row.labels for row in played[0].rounds[0]]
    full = _full(folder, seeds, judge)
    by_name = {one.arm.name: one for one in played}
    write = judge.writer
    return {
        "metric": METRIC,
        "labels": labels,
        "seeds": seeds,
        "replicates": replicates,
        "seed": seed,
        "confidence": CONFIDENCE,
        "unit": write.units.name,
        "n_images": asked.test,
        "n_patients": write.units.count if write.units.name == "patient" else None,
        "goals": list(GOALS),
        "full": None if full is None else write.entry(Measured(full.value[0], full.drawn[:, 0])),
        "arms": [_arm(one, by_name, full, labels, asked, write) for one in played],
        "wins": [[_wins(one, other) for other in played] for one in played],
    }


# --- reading ----------------------------------------------------------------------------


def _finished(folder: Path, asked: Simulation) -> list[int]:
    """Seeds that all arms have finished."""
    found = [
        seed
        for seed in asked.seeds
        if all((folder / arm.folder / str(seed) / "rounds.json").is_file() for arm in asked.arms)
    ]
    if not found:
        raise TrainingError(
            f"a page needs a seed that all {len(asked.arms)} arms have finished, and '{folder}' has"
            " none. The same command goes on with the simulation."
        )
    return found


class _Judge:
    """Judges what models said of the test images."""

    def __init__(self, folder: Path, asked: Simulation, replicates: int, seed: int) -> None:
        self._truth = _table(folder / "test.parquet")
        self._asked, self._replicates, self.seed = asked, replicates, seed
        patients = self._truth["patient_id"].to_list() if asked.patients_known else None
        self.writer = Writer(check.units(patients, self._truth.height), CONFIDENCE, "linear")

    def curve(self, path: Path) -> Curve:
        """A point for every round of answers."""
        answers = _table(path)
        rounds = answers["round"].max()
        assert isinstance(rounds, int), "a table of answers has rounds"
        points = [
            self._point(answers.filter(pl.col("round") == n), path) for n in range(rounds + 1)
        ]
        return Curve(
            np.array([one.value for one in points]), np.stack([one.drawn for one in points], axis=1)
        )

    def _point(self, answers: pl.DataFrame, path: Path) -> Measured:
        if not answers["image_id"].equals(self._truth["image_id"]):
            raise TableError(f"'{path}' must speak of the images of test.parquet, in their order.")
        said = answers.drop("round", "image_id")
        rows = self._rows(self._truth.hstack(said.get_columns()))
        found = measure_table(rows, wanted=[METRIC], replicates=self._replicates, seed=self.seed)
        return found.metrics[METRIC]

    def _rows(self, table: pl.DataFrame) -> Predictions:
        if not self._asked.patients_known:
            table = table.drop("patient_id")
        return of_run(table, kind=self._asked.kind, positive=self._asked.positive)


def _table(path: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise TableError(
            f"'{path}' must be a parquet table: {str(error).splitlines()[0]}"
        ) from error


def _played(folder: Path, arm: ArmPlayed, seeds: Sequence[int], judge: _Judge) -> Played:
    folders = [folder / arm.folder / str(seed) for seed in seeds]
    rounds = []
    for one in folders:
        path = one / "rounds.json"
        rounds.append([checked(RoundPlayed, row, path) for row in read_json(path)])
    files = track(
        [one / "answers.parquet" for one in folders], what=f"judge {arm.name}", unit="seed"
    )
    curves = [judge.curve(path) for path in files]
    return Played(arm, rounds, curves, mean(curves, seed=judge.seed))


def mean(curves: Sequence[Curve], *, seed: int) -> Curve:
    """The mean over seeds: of all, and in each replicate of those that it drew.

    Examples:
        >>> one = Curve(np.array([0.5]), np.full((500, 1), 0.4))
        >>> two = Curve(np.array([0.7]), np.full((500, 1), 0.8))
        >>> found = mean([one, two], seed=0)
        >>> found.value.round(3), np.unique(found.drawn.round(3))
        (array([0.6]), array([0.4, 0.6, 0.8]))
    """
    points = [
        over_seeds([Measured(curve.value[n], curve.drawn[:, n]) for curve in curves], seed=seed)
        for n in range(len(curves[0].value))
    ]
    return Curve(
        np.array([one.value for one in points]), np.stack([one.drawn for one in points], axis=1)
    )


def _full(folder: Path, seeds: Sequence[int], judge: _Judge) -> Curve | None:
    """The score of all labels; None until all seeds have it."""
    files = [folder / "full" / str(seed) / "answers.parquet" for seed in seeds]
    if not all(path.is_file() for path in files):
        return None
    return mean([judge.curve(path) for path in files], seed=judge.seed)


# --- numbers ----------------------------------------------------------------------------


def _arm(
    one: Played,
    others: Mapping[str, Played],
    full: Curve | None,
    labels: Sequence[int],
    asked: Simulation,
    write: Writer,
) -> dict[str, Any]:
    reference = others[one.arm.reference]
    return {
        "arm": one.arm.name,
        "acquisition": one.arm.acquisition,
        "strategy": one.arm.strategy,
        "reference": one.arm.reference,
        "curve": [
            {
                "labels": count,
                **write.entry(Measured(one.mean.value[n], one.mean.drawn[:, n])),
                "over_seeds": spread([curve.value[n] for curve in one.curves]),
            }
            for n, count in enumerate(labels)
        ],
        "alc": _areas(one, reference, labels, write),
        "needed": []
        if full is None
        else [_needed(one, reference, g, full, labels, write) for g in GOALS],
        "rounds": _rounds(one.rounds),
        "kept": _kept(one.rounds),
        "stops": _stops(one, asked.stops.get(one.arm.name, {}), full, labels),
        "seconds": _seconds(one.rounds),
    }


def _areas(one: Played, reference: Played, labels: Sequence[int], write: Writer) -> dict[str, Any]:
    """Area under the curve on both axes, and that minus the area of the reference."""
    found: dict[str, Any] = {}
    for axis in AXES if len(labels) > 1 else ():
        own, other = (
            Measured(
                float(areas(labels, played.mean.value, log=axis == "log")),
                areas(labels, played.mean.drawn, log=axis == "log"),
            )
            for played in (one, reference)
        )
        gain = write.entry(minus(own, other))
        low, high = gain["low"], gain["high"]
        gain["excludes_zero"] = None if low is None else bool(low > 0 or high < 0)
        found[axis] = {"area": write.entry(own), "difference": gain}
    return found


def _needed(
    one: Played,
    reference: Played,
    goal: float,
    full: Curve,
    labels: Sequence[int],
    write: Writer,
) -> dict[str, Any]:
    """Labels needed for a share of the score of all labels, and the share that was saved."""
    own, other = (
        Measured(
            float(labels_needed(labels, played.mean.value, goal * full.value[0])),
            labels_needed(labels, played.mean.drawn, goal * full.drawn[:, 0]),
        )
        for played in (one, reference)
    )
    neither = np.isinf(own.drawn) & np.isinf(other.drawn)
    saved = Measured(
        float(saving(own.value, other.value, labels[-1])),
        np.where(neither, 0.0, saving(own.drawn, other.drawn, labels[-1])),  # nothing was seen
    )
    bound = None
    if np.isinf(own.value) != np.isinf(other.value):
        bound = "at least" if np.isinf(other.value) else "at most"
    return {
        "goal": goal,
        "score": goal * float(full.value[0]),
        **_reached(own),
        "saving": {**write.entry(saved), "bound": bound},
    }


def _reached(needed: Measured) -> dict[str, Any]:
    """Labels needed with an interval; null where the goal is out of reach of what was bought."""
    known = needed.drawn[~np.isnan(needed.drawn)]
    low, high = (
        interval(known, confidence=CONFIDENCE, rule="order") if len(known) else (np.nan, np.nan)
    )
    return {
        name: float(value) if np.isfinite(value) else None
        for name, value in (("value", needed.value), ("low", low), ("high", high))
    }


def _wins(one: Played, other: Played) -> float | None:
    """Share of seeds and rounds at which one arm has the higher score; None against itself."""
    if one is other:
        return None
    share = wins(*(np.stack([curve.value for curve in arm.curves]) for arm in (one, other)))
    return None if np.isnan(share) else share


def _rounds(seeds: Sequence[Sequence[RoundPlayed]]) -> list[dict[str, Any]]:
    """Of each round the means over seeds: images, what was bought of each class, what was learnt."""
    return [
        {
            "images": _mean([row.images for row in rows]),
            "classes": {
                name: _mean([row.classes[name] for row in rows]) for name in rows[0].classes
            },
            "trained_on": _mean([row.trained_on for row in rows]),
            "wrong": _mean([row.wrong for row in rows]),
        }
        for rows in zip(*seeds, strict=True)
    ]


def _kept(seeds: Sequence[Sequence[RoundPlayed]]) -> dict[str, dict[str, float | None]]:
    """Share of what each model knew that the next one still knew, over rounds and seeds."""
    rows = [row for rounds in seeds for row in rounds]
    bought = [row.kept / row.knew for row in rows if row.knew]
    held_out = [row.kept_validation / row.knew_validation for row in rows if row.knew_validation]
    return {"bought": spread(bought), "validation": spread(held_out)}


def _stops(
    one: Played,
    stops: Mapping[str, Sequence[int | None]],
    full: Curve | None,
    labels: Sequence[int],
) -> list[dict[str, Any]]:
    """Where each stopping rule would have ended the arm; only seeds in which it did count."""
    found = []
    for rule, rounds in stops.items():
        ended = [(curve, n) for curve, n in zip(one.curves, rounds, strict=False) if n is not None]
        scores = [float(curve.value[n]) for curve, n in ended]
        shares = [] if full is None else [score / float(full.value[0]) for score in scores]
        found.append(
            {
                "rule": rule,
                "seeds": len(ended),
                "of": len(one.curves),
                "labels": spread([labels[n] for _, n in ended]),
                "score": spread(scores),
                "share": spread(shares),
            }
        )
    return found


def _seconds(seeds: Sequence[Sequence[RoundPlayed]]) -> dict[str, float]:
    """Mean seconds of a round by what was done, and of the whole."""
    rows = [row.seconds for rounds in seeds for row in rounds]
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: _mean([row.get(name, 0.0) for row in rows]) for name in names}


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))
