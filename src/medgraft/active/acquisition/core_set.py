"""Core set: cover the pool, so that nothing unlabelled lies far from what is labelled."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from medgraft.active.acquisition import Selection, acquisition
from medgraft.active.evidence import Evidence, Integers
from medgraft.active.farthest import farthest_first
from medgraft.active.selecting import check_budget


@acquisition("core_set")
class CoreSet(Selection):
    """Again and again the candidate that is farthest from all that is labelled or chosen.

    It does not ask what the model says, only how its features lie: outliers are among the first that
    it takes. Without labels it begins with a candidate of chance. Exact; memory does not grow
    with the features, which may be a memory map.
    """

    source: ClassVar[str] = "Sener and Savarese 2018, arXiv:1708.00489 (k-centre greedy)"
    reads_features: ClassVar[bool] = True

    def select(self, evidence: Evidence, budget: int, rng: np.random.Generator) -> Integers:
        """Distinct candidates, shape (budget,), in the order in which they were taken."""
        check_budget(budget, evidence.candidates)
        features = evidence.needed_features("core_set")
        return farthest_first(features, budget, rng, covered=evidence.labelled)
