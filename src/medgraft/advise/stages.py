"""What the features after each stage of a network are worth for the labels at hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from medgraft.advise.domain import Apart
from medgraft.advise.hscore import h_score
from medgraft.advise.logme import logme
from medgraft.advise.probe import Question, probe
from medgraft.nets import Backbone
from medgraft.progress import track


@dataclass(frozen=True)
class Stage:
    """What the features after one stage are worth.

    Attributes:
        name: Of the stage.
        channels: Length of its features.
        stride: Input pixels per output pixel; None after a global pool.
        distance: From the stored statistics of the source, see `norms.Watch.distances`; None if
            the stage has no batch norm.
        logme: Mean over the labels or classes.
        h_score: Of the classes; mean over independent labels.
        auroc: Of a linear probe, cross-validated by patient: value, low, high, maybe reason.
        apart: From images of the source; None without any.
    """

    name: str
    channels: int
    stride: int | None
    distance: float | None
    logme: float
    h_score: float
    auroc: dict[str, Any]
    apart: Apart | None = None


@dataclass(frozen=True)
class Stages:
    """All stages of a network.

    Attributes:
        found: In the order in which images pass through them.
        gain: AUROC at the best deep stage less that at the best early one, with interval; None if
            undefined.
    """

    found: tuple[Stage, ...]
    gain: dict[str, Any] | None

    def best(self, depth: str) -> Stage:
        """The stage that AUROC of the probe and LogME together rank highest, of all or the "early" half.

        Both waver with few labels, but not in the same way: with 10 labels of each class the sum of
        their ranks chose stages at least as good as either did alone, by little, in trials on chest
        films and breast patches. Where there is no probe, LogME decides.
        """
        count = early(len(self.found)) if depth == "early" else len(self.found)
        stages = self.found[:count]
        worth = np.array([_worth(stage) for stage in stages])
        ranks = np.sum([np.unique(c, return_inverse=True)[1] for c in worth.T], axis=0)
        place = max(range(count), key=lambda k: (ranks[k], *worth[k]))
        return stages[place]


def _worth(stage: Stage) -> tuple[float, float]:
    value = stage.auroc["value"]
    return (-1.0 if value is None else value, stage.logme)


def early(count: int) -> int:
    """How many of so many stages are early ones: the first half, at least one.

    Examples:
        >>> [early(count) for count in (1, 2, 5, 9)]
        [1, 1, 2, 4]
    """
    return max(1, count // 2)


def judge_stages(
    backbone: Backbone,
    features: Mapping[str, np.ndarray],
    targets: np.ndarray,
    patients: np.ndarray,
    question: Question,
    distances: Mapping[str, float],
    apart: Mapping[str, Apart],
) -> Stages:
    """Score the features of every stage.

    Args:
        backbone: Whose stages they are.
        features: Stage to features, shape (N, channels).
        targets: Shape (N, K), 1, 0 or NaN.
        patients: Shape (N,).
        question: What probes are judged on, of the same rows.
        distances: Stage to its distance from the source, where known.
        apart: Stage to what images of the source say, where given.
    """
    found, answers = [], []
    for name in track(backbone.names, what="stages", unit="stage"):
        answers.append(probe(features[name], targets, patients, kind=question.kind))
        found.append(
            Stage(
                name,
                backbone.channels[name],
                backbone.strides[name],
                distances.get(name),
                _logme(features[name], targets),
                _h_score(features[name], targets, kind=question.kind),
                question.auroc(answers[-1]),
                apart.get(name),
            )
        )
    return Stages(tuple(found), _gain(found, answers, question))


def _gain(
    found: list[Stage], answers: list[np.ndarray], question: Question
) -> dict[str, Any] | None:
    if len(found) < 2:
        return None
    worth = [_worth(stage) for stage in found]
    half = early(len(found))
    shallow = max(range(half), key=worth.__getitem__)
    deep = max(range(half, len(found)), key=worth.__getitem__)
    gain = question.difference(answers[shallow], answers[deep])
    return (
        None if gain is None else {**gain, "early": found[shallow].name, "deep": found[deep].name}
    )


def _logme(features: np.ndarray, targets: np.ndarray) -> float:
    """Mean over the columns; those that are known of the same rows are computed together."""
    known = ~np.isnan(targets)
    patterns, which = np.unique(known, axis=1, return_inverse=True)
    values = []
    for number, rows in enumerate(patterns.T):
        if rows.any():
            values.append(logme(features[rows], targets[np.ix_(rows, which.ravel() == number)]))
    return float(np.concatenate(values).mean())


def _h_score(features: np.ndarray, targets: np.ndarray, *, kind: str) -> float:
    if kind == "exclusive":
        known = ~np.isnan(targets).any(axis=1)
        return h_score(features[known], targets[known].argmax(axis=1))
    columns = (column for column in targets.T if not np.isnan(column).all())
    return float(np.mean([h_score(features[~np.isnan(c)], c[~np.isnan(c)]) for c in columns]))
