"""Runs that were repeated with other seeds: how far a score depends on patients and on seeds at once.

A curve of scores against labels has two sources of chance: who was tested, and which labels,
first weights and order of images the seed drew. Every replicate here draws both anew: the
patients as everywhere (all runs see the same draw), and as many seeds, with replacement, as
there are. Runs that are compared keep their seeds together, so what a lucky draw of labels does
for both cancels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medgraft.errors import ArgumentError
from medgraft.evaluate.check import Floats
from medgraft.evaluate.measure import Measured
from medgraft.seeds import generator


def over_seeds(runs: Sequence[Measured], *, seed: int = 0) -> Measured:
    """The mean over runs of different seeds, with replicates of patients and of seeds.

    Args:
        runs: At least one; their replicates have drawn the same patients.
        seed: Of the draws. The same seed and number of runs give the same draws.

    Raises:
        ArgumentError: Without a run.

    Examples:
        >>> one, two = Measured(0.5, np.full(1000, 0.5)), Measured(0.9, np.full(1000, 0.9))
        >>> found = over_seeds([one, two])
        >>> round(found.value, 3), sorted(set(found.drawn.round(3).tolist()))
        (0.7, [0.5, 0.7, 0.9])
    """
    if not runs:
        raise ArgumentError("a mean over seeds needs at least one run, got none.")
    drawn = np.stack([run.drawn for run in runs])
    count, replicates = drawn.shape
    chosen = generator(seed, "seeds", count).integers(0, count, size=(count, replicates))
    reasons = dict.fromkeys(run.reason for run in runs if run.reason)
    return Measured(
        float(np.mean([run.value for run in runs])),
        np.take_along_axis(drawn, chosen, axis=0).mean(axis=0),
        "; ".join(reasons),
    )


def minus(first: Measured, second: Measured) -> Measured:
    """First minus second, replicate by replicate."""
    reasons = dict.fromkeys(one.reason for one in (first, second) if one.reason)
    return Measured(first.value - second.value, first.drawn - second.drawn, "; ".join(reasons))


def labels_needed(scores: Floats, labels: Sequence[float], goal: Floats) -> Floats:
    """How many labels a curve needs to reach a goal, between its points along the logarithm.

    Args:
        scores: Shape (R, L): R curves at the L numbers of labels.
        labels: Rising, shape (L,).
        goal: Score to reach, shape (R,).

    Returns:
        Shape (R,): where each curve first reaches its goal; `labels[0]` if it begins there or
        above, infinity if it never does, NaN where a score of the curve before that is missing.

    Raises:
        ArgumentError: If the labels do not rise from above zero.

    Examples:
        >>> curve = np.array([[0.6, 0.8, 0.9]])
        >>> [labels_needed(curve, [10, 20, 40], np.array([goal])).round(1).item() for goal in (0.5, 0.7, 0.9, 0.95)]
        [10.0, 14.1, 40.0, inf]
    """
    counts = np.asarray(labels, dtype=float)
    if not (counts[0] > 0 and (np.diff(counts) > 0).all()):
        raise ArgumentError(f"numbers of labels must rise from above 0, got {list(labels)}.")
    places = np.log(counts)
    needed = np.full(len(scores), np.inf)
    for place in range(len(places) - 1, -1, -1):  # from the right: what comes first wins
        reached = scores[:, place] >= goal
        if place == 0:
            needed = np.where(reached, places[0], needed)
            continue
        before, gain = scores[:, place - 1], scores[:, place] - scores[:, place - 1]
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.clip((goal - before) / gain, 0, 1)
        step = places[place] - places[place - 1]
        needed = np.where(reached, places[place - 1] + share * step, needed)
    needed = np.where(np.isnan(scores).any(axis=1) | np.isnan(goal), np.nan, needed)
    return np.asarray(np.exp(needed))


def share_saved(scores: Floats, labels: Sequence[float], goal: Floats, at: float) -> Floats:
    """Share of labels that a curve saves against another that reaches a goal with `at` labels.

    Args:
        scores: As in `labels_needed`.
        labels: Likewise.
        goal: What the other curve has at `at`, shape (R,).
        at: Number of labels of the other curve.

    Returns:
        Shape (R,): 0 where the curve needs as many or more; at most ``1 - labels[0] / at``, for
        fewer labels than the first were not tried.

    Examples:
        >>> share_saved(np.array([[0.8, 0.9], [0.5, 0.6]]), [10, 100], np.array([0.8, 0.8]), 100)
        array([0.9, 0. ])
    """
    needed = labels_needed(scores, labels, goal)
    return np.where(np.isnan(needed), np.nan, np.clip(1 - needed / at, 0, 1))
