"""BADGE: large and different gradients of the last layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from medgraft.active.acquisition import Selection, acquisition
from medgraft.active.answers import mean_answers, named
from medgraft.active.distances import Points
from medgraft.active.evidence import Doubles, Evidence, Floats, Integers
from medgraft.active.selecting import check_budget


@acquisition("badge")
class Badge(Selection):
    """Candidates whose labels would pull the last layer hard, and in different directions.

    The gradient of the loss at a candidate, taken at the label that the model holds for true, is
    the outer product of what the answer lacks and the features. Its length is the model's
    doubt, and k-means++ draws candidates that are long and far from one another: the first is
    the longest, each further one is drawn by its squared distance to the nearest before it.

    The outer products are never made: their distances follow from those of the two factors, so
    memory does not grow with the number of classes.
    """

    source: ClassVar[str] = "Ash et al. 2020, arXiv:1906.03671"
    reads_features: ClassVar[bool] = True

    def select(self, evidence: Evidence, budget: int, rng: np.random.Generator) -> Integers:
        """Distinct candidates, shape (budget,), in the order of the draw."""
        check_budget(budget, evidence.candidates)
        gradients = Gradients.of(evidence)
        nearest = gradients.squares()
        taken = [int(nearest.argmax())]
        while len(taken) < budget:
            np.minimum(nearest, gradients.square_distances(taken[-1]), out=nearest)
            nearest[taken] = 0
            taken.append(_draw(nearest, taken, rng))
        return np.array(taken, dtype=np.int64)


@dataclass(frozen=True)
class Gradients:
    """Gradients of the last layer at N candidates, as the factors of their outer products.

    Attributes:
        lacks: Probability minus the one-hot label that the model holds for true, shape (N, K).
        points: The features.
    """

    lacks: Doubles
    points: Points

    @classmethod
    def of(cls, evidence: Evidence) -> Gradients:
        """Of the mean prediction of each candidate's views.

        Raises:
            EvidenceError: If there are no features, or one is not finite.
        """
        points = Points.of(evidence.needed_features("badge"))
        answers = mean_answers(evidence)
        lacks = answers - named(answers, independent=evidence.independent)
        return cls(lacks, points)

    def squares(self) -> Doubles:
        """Squared length of each gradient, shape (N,)."""
        return np.asarray((self.lacks**2).sum(axis=1) * self.points.squares, dtype=np.float64)

    def square_distances(self, row: int) -> Doubles:
        """Squared distance of each gradient to that of one candidate, shape (N,)."""
        centre = self.points.take(np.array([row])).values[0]
        products = np.empty(len(self.lacks))
        for rows, block in self.points.blocks():
            products[rows] = block.values @ centre
        own: Floats = self.squares()
        found = own - 2 * (self.lacks @ self.lacks[row]) * products + own[row]
        return np.asarray(np.maximum(found, 0))  # rounding can leave -1e-9


def _draw(weights: Doubles, taken: list[int], rng: np.random.Generator) -> int:
    """A candidate by weight; all that are left alike where no weight is left."""
    total = weights.sum()
    if total > 0:
        return int(rng.choice(len(weights), p=weights / total))
    left = np.setdiff1d(np.arange(len(weights)), taken)
    return int(rng.choice(left))
