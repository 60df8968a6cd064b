"""ClaSP PE: noised predictive entropy, a part of the budget shared out among the classes."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
from pydantic import Field, model_validator

from medgraft.active.acquisition import Selection, acquisition
from medgraft.active.acquisition.entropy import Entropy
from medgraft.active.answers import mean_answers, named
from medgraft.active.evidence import Bools, Doubles, Evidence, Integers
from medgraft.active.selecting import check_budget


@acquisition("clasp_pe")
class ClaspPe(Selection):
    """Class-stratified, scheduled power entropy, for images.

    Entropy alone buys many alike and few of a rare class. Here the score of a candidate is the
    logarithm of its predictive entropy plus Gumbel noise over beta, so that taking the highest is drawing
    without replacement by entropy to the power beta. Beta grows over the campaign, from exploring to
    taking the best. A share of the budget goes to the classes in equal parts, each from the
    candidates that the model holds for that class; the rest to whoever scores highest.

    The paper asks for patches of segmented volumes. That a candidate belongs to the class of its mean
    prediction, of independent labels to each that it names (or to none), is our reading for
    images, and the defaults are ours.
    """

    source: ClassVar[str] = (
        "Lüth et al. 2026, arXiv:2601.13677; power noise: Kirsch et al. 2021, arXiv:2106.12059"
    )
    reads_progress: ClassVar[bool] = True

    share: float = Field(default=0.5, ge=0, le=1)
    """Share of the budget that is divided among the classes."""
    beta: float = Field(default=1, gt=0)
    """Power of the entropy in the first round; the higher, the less noise."""
    last_beta: float = Field(default=100, gt=0)
    """Power of the entropy in the last round; between the two it grows by equal factors."""

    @model_validator(mode="after")
    def _noise_decays(self) -> Self:
        if self.last_beta < self.beta:
            raise ValueError(f"last_beta must be at least beta ({self.beta}), got {self.last_beta}")
        return self

    def select(self, evidence: Evidence, budget: int, rng: np.random.Generator) -> Integers:
        """Distinct candidates, shape (budget,): those of classes in turn, then the others."""
        check_budget(budget, evidence.candidates)
        beta = self.beta * (self.last_beta / self.beta) ** evidence.progress
        order = np.argsort(-powered(Entropy().scores(evidence), beta, rng))
        belongs = named(mean_answers(evidence), independent=evidence.independent)
        turns = rng.permutation(belongs.shape[1])
        taken = _in_turn(order, belongs[:, turns], round(self.share * budget))
        rest = order[~np.isin(order, taken)][: budget - len(taken)]
        return np.concatenate([taken, rest])


def powered(scores: Doubles, beta: float, rng: np.random.Generator) -> Doubles:
    """Logarithms of scores with Gumbel noise over beta, shape (N,).

    Sorting by them is drawing without replacement by score to the power beta. A score of nought
    comes after all others; those are in an order of chance.
    """
    floor = np.finfo(np.float64).tiny
    return np.log(np.maximum(scores, floor)) + rng.gumbel(size=len(scores)) / beta


def _in_turn(order: Integers, belongs: Bools, count: int) -> Integers:
    """The next best of each class in turn, none twice, until there are enough or no more."""
    queues = [list(order[belongs[order, k]][::-1]) for k in range(belongs.shape[1])]
    taken: dict[int, None] = {}
    while len(taken) < count and any(queues):
        for queue in queues:
            while queue and queue[-1] in taken:
                queue.pop()
            if queue and len(taken) < count:
                taken[int(queue.pop())] = None
    return np.array(list(taken), dtype=np.int64)
