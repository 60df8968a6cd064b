"""Chance: the arm that every other acquisition must beat."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from medgraft.active.acquisition import Selection, acquisition
from medgraft.active.evidence import Evidence, Integers
from medgraft.active.selecting import check_budget


@acquisition("random")
class Random(Selection):
    """Every candidate alike, whatever the model says."""

    source: ClassVar[str] = "simple random sampling"

    def select(self, evidence: Evidence, budget: int, rng: np.random.Generator) -> Integers:
        """Distinct candidates, shape (budget,), in the order of the draw."""
        check_budget(budget, evidence.candidates)
        return rng.choice(evidence.candidates, size=budget, replace=False)
