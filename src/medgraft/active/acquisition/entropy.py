"""Entropy of the mean answer: how unsure the model is."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from medgraft.active.acquisition import Score, acquisition
from medgraft.active.evidence import Bools, Doubles, Evidence


@acquisition("entropy")
class Entropy(Score):
    """Entropy of the mean prediction of a candidate's views.

    It cannot tell an image that is hard for everyone from one that the model could learn: both
    are unsure. In nats; at most log K, and of independent labels at most log 2 for each.

    Examples:
        >>> sure, unsure = [[1.0, 0.0]], [[0.5, 0.5]]
        >>> Entropy().scores(Evidence(np.array([sure, unsure]))).round(3)
        array([0.   , 0.693])
    """

    source: ClassVar[str] = "Shannon 1948; as a query, Dagan and Engelson 1995"

    def scores(self, evidence: Evidence) -> Doubles:
        """Entropies in nats, shape (N,)."""
        return evidence.score(lambda p, present: entropy(mean(p, present)))


def mean(probabilities: Doubles, present: Bools) -> Doubles:
    """Mean over the views that are present: (n, V, K) and (n, V) to (n, K)."""
    total: Doubles = probabilities.sum(axis=1)
    return np.asarray(total / present.sum(axis=1)[:, None])


def entropy(probabilities: Doubles) -> Doubles:
    """Entropy in nats over the last axis, with 0 log 0 = 0."""
    logs = np.log(np.where(probabilities > 0, probabilities, 1.0))
    total: Doubles = (probabilities * logs).sum(axis=-1)
    return 0.0 - total  # a minus alone would make minus nought
