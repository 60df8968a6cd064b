"""What each pretraining was worth: what pretrain-study.json holds.

Every replicate draws the patients who were tested, the same for all runs, and the seeds, the same
for all runs that are compared: an interval says how far a number depends on both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from medgraft.errors import ArgumentError, ShapeError, TableError
from medgraft.evaluate.check import Units
from medgraft.evaluate.holm import holm
from medgraft.evaluate.measure import Measured, Writer, measure_table
from medgraft.evaluate.repeats import minus, over_seeds, share_saved
from medgraft.evaluate.segmentation.evaluation import Grid, measured, read_like, read_table
from medgraft.report.arms import spread
from medgraft.report.contracts import PretrainingStudy, StartAsked
from medgraft.report.pairs import CONFIDENCE
from medgraft.report.rows import same_rows
from medgraft.report.saved import Saved

Key = tuple[str, int, int]  # start, labels, seed
SCORES = {"classification": "auroc", "segmentation": "dice"}
BOTH = (
    "Each replicate of an interval draws patients, the same for all runs, and seeds, the same for all"
    " that are compared. With few seeds such an interval is somewhat too narrow."
)
TESTS = (
    "The p-values are of Welch's two-sided test over the scores of the seeds, as the papers test, corrected"
    " for the number of comparisons (Holm). They do not know that two starts had the same labels; the"
    " intervals of the differences do."
)
SAVED = (
    "Labels saved: how many fewer labels a start needs for the score that random weights reach with"
    " so many, read off its curve along the logarithm of the labels. Fewer labels than the first number"
    " were not tried, so more than the largest share cannot be seen."
)


@dataclass(frozen=True)
class Scores:
    """The score of every finished tuning on the same rows.

    Attributes:
        of: Score with its replicates, by start, labels and seed.
        images: How many were judged.
        units: What was resampled.
    """

    of: Mapping[Key, Measured]
    images: int
    units: Units

    def seeds(self, start: str, labels: int) -> list[int]:
        """Seeds of the finished tunings."""
        return [seed for name, n, seed in self.of if (name, n) == (start, labels)]

    def runs(self, start: str, labels: int, seeds: Sequence[int]) -> list[Measured]:
        """Those of these seeds."""
        return [self.of[start, labels, seed] for seed in seeds]


def read_scores(
    asked: PretrainingStudy, saved: Mapping[Key, Saved], *, replicates: int, seed: int
) -> Scores:
    """The score of every tuning, all on the rows of the first.

    Raises:
        TableError: If the runs were not judged on the same rows.
    """
    read = _of_masks if asked.task == "segmentation" else _of_labels
    return read(saved, replicates, seed)


def _of_labels(saved: Mapping[Key, Saved], replicates: int, seed: int) -> Scores:
    names = [_name(key) for key in saved]
    found = {}
    for (key, one), table in zip(
        saved.items(), same_rows(list(saved.values()), names), strict=True
    ):
        try:
            made = measure_table(table, wanted=("auroc",), replicates=replicates, seed=seed)
        except (ArgumentError, ShapeError) as error:
            raise TableError(f"'{one.folder}' cannot be judged: {error}") from error
        found[key] = made.metrics["auroc"]
    return Scores(found, made.asked.rows, made.units)


def _of_masks(saved: Mapping[Key, Saved], replicates: int, seed: int) -> Scores:
    first: Grid | None = None
    found = {}
    for key, one in saved.items():
        if not one.evaluation.of_masks:
            raise TableError(f"a study of masks needs runs of masks, but {_name(key)} has labels.")
        grid = (
            read_table(one.predictions, ("dice",))
            if first is None
            else read_like(first, one.predictions)
        )
        first = first or grid
        found[key] = measured(grid, grid.values, replicates=replicates, seed=seed)[0]["dice"]
    assert first is not None, "there is at least one run"
    return Scores(found, len(first.images), first.units)


def _name(key: Key) -> str:
    start, labels, seed = key
    return f"{start}, {labels} labels, seed {seed}"


def worth(
    asked: PretrainingStudy,
    saved: Mapping[Key, Saved],
    *,
    replicates: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Curves, differences from random weights, and labels saved.

    Args:
        asked: What was asked.
        saved: Finished tunings, at least one.
        replicates: Bootstrap replicates.
        seed: Of the replicates.

    Returns:
        What pretrain-study.json holds, see docs/reference/metrics.md.

    Raises:
        TableError: If the runs were not judged on the same rows.
    """
    scores = read_scores(asked, saved, replicates=replicates, seed=seed)
    write = Writer(scores.units, CONFIDENCE, "linear")
    reference = asked.starts[0].name
    curves = [_curve(start, asked, scores, write) for start in asked.starts]
    gains = _differences(
        [(start.name, reference) for start in asked.starts[1:]], asked, scores, write
    )
    added = _differences(_pairs(asked.starts), asked, scores, write)
    return {
        "task": asked.task,
        "score": SCORES[asked.task],
        "reference": reference,
        "labels": asked.labels,
        "seeds": asked.seeds,
        "pretrainings": asked.pretrainings,
        "n_images": scores.images,
        "n_patients": scores.units.count if scores.units.name == "patient" else None,
        "unit": scores.units.name,
        "replicates": replicates,
        "seed": seed,
        "confidence": CONFIDENCE,
        "starts": curves,
        "gains": gains,
        "added": added,
        "saved": _saved(asked, scores, write),
        "notes": [BOTH, TESTS, SAVED],
    }


def _pairs(starts: Sequence[StartAsked]) -> list[tuple[str, str]]:
    """Each start that names patterns, and the one that restores as it does without."""
    plain = {start.task: start.name for start in reversed(starts) if start.plain is None}
    return [
        (start.name, plain[start.plain]) for start in starts if start.plain in plain and start.plain
    ]


def _curve(
    start: StartAsked, asked: PretrainingStudy, scores: Scores, write: Writer
) -> dict[str, Any]:
    points = []
    for labels in asked.labels:
        seeds = scores.seeds(start.name, labels)
        runs = scores.runs(start.name, labels, seeds)
        entry = (
            write.entry(over_seeds(runs)) if runs else {"value": None, "low": None, "high": None}
        )
        points.append(
            {
                "labels": labels,
                "seeds": seeds,
                **entry,
                "over_seeds": spread([run.value for run in runs]),
                "scores": [_plain(run.value) for run in runs],
            }
        )
    return {"start": start.name, "task": start.task, "settings": start.settings, "points": points}


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else value


def _differences(
    pairs: Sequence[tuple[str, str]], asked: PretrainingStudy, scores: Scores, write: Writer
) -> list[dict[str, Any]]:
    """First minus second for every number of labels, on the seeds that both have finished."""
    found = []
    for (name, base), labels in ((pair, n) for pair in pairs for n in asked.labels):
        there = set(scores.seeds(base, labels))
        seeds = [seed for seed in scores.seeds(name, labels) if seed in there]
        if not seeds:
            continue
        own, other = (scores.runs(which, labels, seeds) for which in (name, base))
        each = [minus(one, two) for one, two in zip(own, other, strict=True)]
        entry = write.entry(over_seeds(each))
        low, high = entry["low"], entry["high"]
        found.append(
            {
                "start": name,
                "minus": base,
                "labels": labels,
                "seeds": seeds,
                **entry,
                "excludes_zero": None if low is None else bool(low > 0 or high < 0),
                "over_seeds": spread([one.value for one in each]),
                "p": _welch([run.value for run in own], [run.value for run in other]),
            }
        )
    tested = [one for one in found if one["p"] is not None]
    for one, corrected in zip(tested, holm([one["p"] for one in tested]), strict=True):
        one["p_holm"] = corrected
    return found


def _welch(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Two-sided p-value of Welch's test; None where it is undefined: one seed, or no spread."""
    from scipy.stats import ttest_ind_from_stats

    if len(first) < 2 or (np.ptp(first) == 0 and np.ptp(second) == 0):
        return None
    # of moments: from values scipy warns where one side has no spread, which is no fault here
    each = [(np.mean(some), np.std(some, ddof=1), len(some)) for some in (first, second)]
    p = float(ttest_ind_from_stats(*each[0], *each[1], equal_var=False).pvalue)
    return None if np.isnan(p) else p


def _saved(asked: PretrainingStudy, scores: Scores, write: Writer) -> list[dict[str, Any]]:
    """Of each start, how many labels fewer reach what the reference reaches with so many."""
    reference, *others = asked.starts
    found = []
    for start in others:
        seeds = _everywhere(scores, [reference.name, start.name], asked.labels)
        if not seeds or len(asked.labels) < 2:
            continue
        own = [over_seeds(scores.runs(start.name, n, seeds)) for n in asked.labels]
        for place in range(1, len(asked.labels)):
            at = asked.labels[place]
            goal = over_seeds(scores.runs(reference.name, at, seeds))
            share = Measured(
                float(_share([one.value for one in own], goal.value, asked.labels, at)),
                share_saved(
                    np.stack([one.drawn for one in own], axis=1), asked.labels, goal.drawn, at
                ),
                "",
            )
            found.append(
                {
                    "start": start.name,
                    "labels": at,
                    "goal": _plain(goal.value),
                    "seeds": seeds,
                    "most": 1 - asked.labels[0] / at,
                    **write.entry(share),
                }
            )
    return found


def _share(values: Sequence[float], goal: float, labels: Sequence[int], at: int) -> float:
    return float(share_saved(np.array([values]), labels, np.array([goal]), at)[0])


def _everywhere(scores: Scores, starts: Sequence[str], labels: Sequence[int]) -> list[int]:
    """Seeds that every one of these starts has finished with every number of labels."""
    sets = [set(scores.seeds(start, n)) for start in starts for n in labels]
    return sorted(set.intersection(*sets))
