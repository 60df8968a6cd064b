"""Entropy of the mean answer: how unsure the model is."""

from __future__ import annotations

from typing import ClassVar

from medgraft.active.acquisition import Score, acquisition
from medgraft.active.answers import entropy, mean
from medgraft.active.evidence import Doubles, Evidence


@acquisition("entropy")
class Entropy(Score):
    """Entropy of the mean prediction of a candidate's views.

    It cannot tell an image that is hard for everyone from one that the model could learn: both
    are unsure. In nats; at most log K, and of independent labels at most log 2 for each.

    Examples:
        >>> import numpy as np
        >>> sure, unsure = [[1.0, 0.0]], [[0.5, 0.5]]
        >>> Entropy().scores(Evidence(np.array([sure, unsure]))).round(3)
        array([0.   , 0.693])
    """

    source: ClassVar[str] = "Shannon 1948; as a query, Dagan and Engelson 1995"

    def scores(self, evidence: Evidence) -> Doubles:
        """Entropies in nats, shape (N,)."""
        return evidence.score(lambda p, present: entropy(mean(p, present)))
