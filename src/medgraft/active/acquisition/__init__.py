"""Acquisitions: which unlabelled candidates should a person label next?

To add one, add a module to this folder with a frozen model of one of the two kinds below. A
`Score` judges candidates one at a time; a higher score means label it sooner. A `Selection`
chooses a set. Both are asked with `select`. The contract is checked by
``tests/active/test_acquisitions.py``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Self, TypeVar

import numpy as np
from pydantic import ConfigDict, Field, model_validator

from medgraft.active.evidence import Doubles, Evidence, Integers
from medgraft.active.selecting import best, check_budget, drawn, spread
from medgraft.registry import Registry
from medgraft.spec import Options


class Acquisition(Options, ABC):
    """What both kinds have: a source, what they read, and a choice to make.

    Attributes:
        source: Where it is defined.
        reads_features: It reads `features` of the evidence (and `labelled`, if there are any).
        least_views: Views that at least one candidate must have.
        compares: It compares views, so that a candidate should have several, and not one answer.
        reads_progress: It reads how far the campaign has come, so that a budget must be known.
    """

    model_config = ConfigDict(use_attribute_docstrings=True)  # docs/generate.py shows them

    source: ClassVar[str]
    reads_features: ClassVar[bool] = False
    least_views: ClassVar[int] = 1
    compares: ClassVar[bool] = False
    reads_progress: ClassVar[bool] = False

    @abstractmethod
    def select(self, evidence: Evidence, budget: int, rng: np.random.Generator) -> Integers:
        """Which candidates to label next, shape (budget,), best first, none twice.

        Raises:
            ArgumentError: If the budget is not in [1, N].
            EvidenceError: If the evidence lacks what this acquisition reads.
        """


class Score(Acquisition):
    """An acquisition that judges candidates one at a time."""

    omega: int = Field(default=1, ge=1)
    """Draw from a short list of omega times the budget by score (AFT: 5); 1 takes the highest."""
    spread: bool = False
    """Choose from the short list what lies far apart in feature space, and not by chance."""

    @model_validator(mode="after")
    def _has_a_list(self) -> Self:
        if self.spread and self.omega == 1:
            raise ValueError(
                "spread needs a short list to choose from: give omega of 2 or more, such as 5"
            )
        return self

    @abstractmethod
    def scores(self, evidence: Evidence) -> Doubles:
        """A score per candidate, float64, shape (N,), all finite; higher: label sooner."""

    def select(self, evidence: Evidence, budget: int, rng: np.random.Generator) -> Integers:
        """The candidates of the highest scores, or chosen from a short list of them."""
        check_budget(budget, evidence.candidates)
        scores = self.scores(evidence)
        if self.omega == 1:
            return best(scores, budget, rng)
        if not self.spread:
            return drawn(scores, budget, rng, omega=self.omega)
        features = evidence.needed_features("spread")
        return spread(scores, features, budget, rng, omega=self.omega, labelled=evidence.labelled)


class Selection(Acquisition):
    """An acquisition that chooses a set, because what one candidate adds depends on the others."""


Kind = TypeVar("Kind", bound=type[Acquisition])
acquisitions: Registry[type[Acquisition]] = Registry("acquisition", __name__)


def acquisition(name: str) -> Callable[[Kind], Kind]:
    """Register an acquisition under `name`."""

    def register(kind: Kind) -> Kind:
        acquisitions.add(name, kind)
        return kind

    return register
