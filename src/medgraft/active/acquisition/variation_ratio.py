"""Variation ratio: how many views vote against the majority."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from medgraft.active.acquisition import Score, acquisition
from medgraft.active.evidence import Bools, Doubles, Evidence


@acquisition("variation_ratio")
class VariationRatio(Score):
    """Share of the views whose likeliest class is not the one that most views vote for.

    It takes few values (with V views at most V of them), so many candidates are equal and chance decides between
    them. A candidate with one view scores nought, so a pool in which no candidate has two is
    refused. In [0, 1 - 1/K], and of independent labels in [0, 1/2] for each.

    Examples:
        >>> split, agreed = [[0.6, 0.4], [0.1, 0.9]], [[0.6, 0.4], [0.6, 0.4]]
        >>> VariationRatio().scores(Evidence(np.array([split, agreed])))
        array([0.5, 0. ])
    """

    source: ClassVar[str] = "Freeman 1965; with dropout, Gal 2016"
    least_views: ClassVar[int] = 2
    compares: ClassVar[bool] = True

    def scores(self, evidence: Evidence) -> Doubles:
        """Shares, shape (N,)."""
        evidence.require_views(self.least_views, "variation_ratio")
        return evidence.score(_ratio)


def _ratio(p: Doubles, present: Bools) -> Doubles:
    classes = np.arange(p.shape[2])
    votes = (p.argmax(axis=2)[..., None] == classes) & present[..., None]
    return np.asarray(1 - votes.sum(axis=1).max(axis=1) / present.sum(axis=1))
