"""Least confidence: how unlikely even the likeliest class is."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from medgraft.active.acquisition import Score, acquisition
from medgraft.active.answers import mean
from medgraft.active.evidence import Doubles, Evidence


@acquisition("least_confident")
class LeastConfident(Score):
    """One minus the probability of the likeliest class of the mean prediction.

    In [0, 1 - 1/K], and of independent labels in [0, 1/2] for each. Of two classes it orders a
    pool as `entropy` and `margin` do.

    Examples:
        >>> unsure, sure = [[0.5, 0.3, 0.2]], [[0.9, 0.1, 0.0]]
        >>> LeastConfident().scores(Evidence(np.array([unsure, sure]))).round(3)
        array([0.5, 0.1])
    """

    source: ClassVar[str] = "Lewis and Gale 1994"

    def scores(self, evidence: Evidence) -> Doubles:
        """One minus the highest probability, shape (N,)."""
        return evidence.score(lambda p, present: 1 - np.max(mean(p, present), axis=1))
