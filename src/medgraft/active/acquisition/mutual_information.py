"""Mutual information between the label and the model (BALD): how much the views disagree."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from medgraft.active.acquisition import Score, acquisition
from medgraft.active.answers import entropy, mean
from medgraft.active.evidence import Bools, Doubles, Evidence


@acquisition("mutual_information")
class MutualInformation(Score):
    """Entropy of the mean prediction minus the mean entropy of the views.

    High where each view is sure and the views disagree; nought where they all say the same,
    however unsure they are: an image that is hard for everyone teaches little. A candidate with
    one view scores nought, so a pool in which no candidate has two is refused: its order would
    decide. In nats; at most log min(V, K), and of independent labels at most log 2 for each.

    Examples:
        >>> opposed, agreed = [[1.0, 0.0], [0.0, 1.0]], [[0.5, 0.5], [0.5, 0.5]]
        >>> MutualInformation().scores(Evidence(np.array([opposed, agreed]))).round(3)
        array([0.693, 0.   ])
    """

    source: ClassVar[str] = (
        "Houlsby et al. 2011, arXiv:1112.5745; with dropout, Gal et al. 2017, arXiv:1703.02910"
    )
    least_views: ClassVar[int] = 2
    compares: ClassVar[bool] = True

    def scores(self, evidence: Evidence) -> Doubles:
        """Mutual information in nats, shape (N,)."""
        evidence.require_views(self.least_views, "mutual_information")
        return evidence.score(_information)


def _information(p: Doubles, present: Bools) -> Doubles:
    each = mean(entropy(p)[..., None], present)[:, 0]  # absent views hold nought, of entropy nought
    return np.maximum(entropy(mean(p, present)) - each, 0)  # rounding can leave -1e-17
