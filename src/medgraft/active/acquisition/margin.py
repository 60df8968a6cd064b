"""Smallest margin: how close the second class comes to the first."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from medgraft.active.acquisition import Score, acquisition
from medgraft.active.answers import mean
from medgraft.active.evidence import Doubles, Evidence


@acquisition("margin")
class Margin(Score):
    """One minus the gap between the two likeliest classes of the mean prediction.

    In [0, 1], and of independent labels in [0, 1] for each. Of two classes it orders a pool as
    `entropy` does; of more it ignores all but the first two.

    Examples:
        >>> close, clear = [[0.5, 0.4, 0.1]], [[0.8, 0.1, 0.1]]
        >>> Margin().scores(Evidence(np.array([close, clear])))
        array([0.9, 0.3])
    """

    source: ClassVar[str] = "Scheffer et al. 2001"

    def scores(self, evidence: Evidence) -> Doubles:
        """One minus the margin, shape (N,)."""
        return evidence.score(lambda p, present: 1 - _gap(mean(p, present)))


def _gap(probabilities: Doubles) -> Doubles:
    last = np.sort(probabilities, axis=-1)[..., -2:]
    gap: Doubles = last[..., 1] - last[..., 0]
    return gap
