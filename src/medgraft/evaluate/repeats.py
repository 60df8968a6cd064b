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
from medgraft.evaluate.efficiency import labels_needed, saving
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


def share_saved(scores: Floats, labels: Sequence[float], goal: Floats, at: float) -> Floats:
    """Share of labels that a curve saves against another that reaches a goal with `at` labels.

    Args:
        scores: Shape (R, L): R curves at the L numbers of labels, straight along the logarithm.
        labels: Rising from above 0, shape (L,).
        goal: What the other curve has at `at`, shape (R,).
        at: Number of labels of the other curve.

    Returns:
        Shape (R,): 0 where the curve needs as many or more; at most ``1 - labels[0] / at``, for
        fewer labels than the first were not tried.

    Examples:
        >>> share_saved(np.array([[0.8, 0.9], [0.5, 0.6]]), [10, 100], np.array([0.8, 0.8]), 100)
        array([0.9, 0. ])
    """
    return saving(labels_needed(labels, scores, goal, log=True), at, at)
