"""What the views of a candidate say together: mean answer, its entropy, the classes it names."""

from __future__ import annotations

import numpy as np

from medgraft.active.evidence import Bools, Doubles, Evidence


def mean(probabilities: Doubles, present: Bools) -> Doubles:
    """Mean over the views that are present: (n, V, K) and (n, V) to (n, K).

    Absent views must hold nought.
    """
    total: Doubles = probabilities.sum(axis=1)
    return np.asarray(total / present.sum(axis=1)[:, None])


def entropy(probabilities: Doubles) -> Doubles:
    """Entropy in nats over the last axis, with 0 log 0 = 0."""
    logs = np.log(np.where(probabilities > 0, probabilities, 1.0))
    total: Doubles = (probabilities * logs).sum(axis=-1)
    return 0.0 - total  # a minus alone would make minus nought


def mean_answers(evidence: Evidence) -> Doubles:
    """The mean prediction of each candidate, shape (N, K)."""
    found = np.empty((evidence.candidates, evidence.probabilities.shape[2]))
    for rows, block, present in evidence.blocks():
        found[rows] = mean(block, present)
    return found


def named(answers: Doubles, *, independent: bool) -> Bools:
    """Which classes each mean prediction names, shape (N, K).

    The likeliest of exclusive classes; of independent labels all that are likelier than not,
    which may be none.
    """
    if independent:
        return answers > 0.5
    return np.asarray(answers.argmax(axis=1)[:, None] == np.arange(answers.shape[1]))
