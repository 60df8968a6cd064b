"""Active, incremental fine-tuning: entropy and diversity of the views of the majority."""

from __future__ import annotations

from typing import Any, ClassVar, Final, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from medgraft.active.acquisition import Score, acquisition
from medgraft.active.answers import mean
from medgraft.active.evidence import Bools, Doubles, Evidence, Integers

PUBLISHED: Final[dict[str, Any]] = {"reduction": "sum", "pairs": "full", "epsilon": 2.0**-52}
TIE = 1e-9  # mean probabilities that are this close are equal but for rounding


@acquisition("aift")
class Aift(Score):
    """Entropy plus diversity of a candidate's views, after the majority has been kept.

    All views of a candidate inherit its label, so their predictions should agree: the entropy says
    how unsure they are, the diversity (symmetric Kullback-Leibler divergence of all pairs) how
    much they contradict each other. Augmentation spoils some views of any candidate, and
    diversity alone prefers candidates with such noise; so only the share `alpha` of the views that
    is surest of the dominant class (that of the mean prediction) is counted. Where two classes
    dominate alike the first one is taken; views that are equally sure are kept in their order.

    Defaults are those of the journal, as an equation. The authors' program sums the entropy and
    counts every pair twice, so that of m kept views it weighs the diversity m/2 times less against the
    entropy; `as_published` does so, with MATLAB's `eps` (2^-52) inside the logarithms.

    Diversity grows as the square of the number of views, so candidates of groups that differ
    much in size are not comparable by it. With saturated predictions (0 and 1) it is decided by `epsilon`.

    Examples:
        Eleven views that waver about a half, and eleven of which four are noise (B.5 of the paper).

        >>> wavering = [0.4] * 3 + [0.5] * 6 + [0.6] * 2
        >>> noisy = [0, 0, 0.1, 0.1, 0.1, 0.1, 0.2, 0.2, 0.3, 0.9, 1]
        >>> evidence = Evidence(np.array([wavering, noisy])[..., None], independent=True)
        >>> Aift.as_published(alpha=1).scores(evidence).round(2)
        array([  11.9 , 1080.11])
        >>> Aift.as_published().scores(evidence).round(2)
        array([ 2.02, 13.86])
    """

    source: ClassVar[str] = (
        "Zhou et al., CVPR 2017 (AIFT) and Medical Image Analysis 2021 (AFT, ACFT)"
    )
    compares: ClassVar[bool] = True

    alpha: float = Field(default=0.25, gt=0, le=1)
    """Share of the views that is kept, rounded (half up) and at least one; 1 keeps all."""
    entropy: float = Field(default=1, ge=0)
    """Weight of the entropy (lambda 1)."""
    diversity: float = Field(default=1, ge=0)
    """Weight of the diversity (lambda 2)."""
    reduction: Literal["mean", "sum"] = "mean"
    """Mean or sum of the entropies of the kept views."""
    pairs: Literal["upper", "full"] = "upper"
    """Count each pair of views once (upper triangle of the matrix), or twice."""
    epsilon: float = Field(default=1e-4, gt=0, le=0.01)
    """Logarithms are taken of at least this; half precision cannot tell less from nought."""

    @model_validator(mode="after")
    def _weighs_something(self) -> Self:
        if self.entropy == self.diversity == 0:
            raise ValueError("entropy or diversity must weigh more than 0, got 0 and 0")
        return self

    @classmethod
    def as_published(cls, **options: Any) -> Self:
        """The convention of the authors' program, which the table of the paper follows.

        It adds epsilon inside the logarithm where this takes the larger of both, which differs
        only where a probability is itself as small as 1e-16.
        """
        return cls(**{**PUBLISHED, **options})

    def scores(self, evidence: Evidence) -> Doubles:
        """Weighted sums of entropy and diversity in nats, shape (N,)."""
        return evidence.score(self._weighed)

    def _weighed(self, p: Doubles, present: Bools) -> Doubles:
        if self.alpha < 1:
            p, present = majority(p, present, self.alpha)
        entropy, diversity = _parts(p, present, self.epsilon)
        if self.reduction == "mean":
            entropy /= present.sum(axis=1)
        if self.pairs == "full":
            diversity *= 2
        return self.entropy * entropy + self.diversity * diversity


def published_table(evidence: Evidence, alpha: float = 0.25) -> dict[str, Doubles]:
    """The six scores of the paper's Table 1 in its convention, each of shape (N,).

    Entropy, diversity and both, each of all views and of the majority.

    Examples:
        >>> wavering = np.array([0.4] * 3 + [0.5] * 6 + [0.6] * 2)[None, :, None]
        >>> table = published_table(Evidence(wavering, independent=True))
        >>> [round(float(scores[0]), 2) for scores in table.values()]
        [7.52, 2.02, 4.38, 0.0, 11.9, 2.02]
    """
    weights = {"entropy": (1, 0), "diversity": (0, 1), "both": (1, 1)}
    return {
        name + ending: Aift.as_published(entropy=e, diversity=d, alpha=share).scores(evidence)
        for name, (e, d) in weights.items()
        for ending, share in (("", 1.0), ("_majority", alpha))
    }


def kept_views(counts: Integers, alpha: float) -> Integers:
    """How many of so many views are kept, at least one.

    Examples:
        >>> kept_views(np.array([11, 24, 21, 1]), 0.25)
        array([3, 6, 5, 1])
    """
    return np.asarray(np.maximum(np.floor(alpha * counts + 0.5), 1), dtype=np.int64)


def majority(p: Doubles, present: Bools, alpha: float) -> tuple[Doubles, Bools]:
    """The views that are surest of the class that dominates the mean prediction.

    Args:
        p: Shape (n, V, K).
        present: Which views there are, shape (n, V).
        alpha: Share to keep.

    Returns:
        Views (n, M, K) and which of them there are (n, M), M being the most that any candidate keeps.
    """
    means = mean(p, present)
    dominant = (means >= means.max(axis=1, keepdims=True) - TIE).argmax(axis=1)
    sure = np.take_along_axis(p, dominant[:, None, None], axis=2)[..., 0]
    keep = kept_views(present.sum(axis=1), alpha)
    order = np.argsort(np.where(present, -sure, 1.0), axis=1, kind="stable")[:, : keep.max()]
    kept = np.take_along_axis(p, order[..., None], axis=1)
    return kept, np.arange(order.shape[1]) < keep[:, None]


def _parts(p: Doubles, present: Bools, epsilon: float) -> tuple[Doubles, Doubles]:
    """Sum of the entropies of the views, and of the divergences of their pairs, both (n,).

    The sum over pairs needs no pairs: with m views, sum over j < l of (p_j - p_l)(log p_j - log p_l)
    is m times the sum over j of (p_j - mean p)(log p_j - mean log p).
    """
    logs = np.log(np.maximum(p, epsilon))
    there = present[..., None]
    entropy = 0.0 - np.where(there, p * logs, 0).sum(axis=(1, 2))
    off = np.where(there, p - mean(np.where(there, p, 0), present)[:, None], 0)
    off_logs = logs - mean(np.where(there, logs, 0), present)[:, None]
    diversity = present.sum(axis=1) * (off * off_logs).sum(axis=(1, 2))
    return entropy, np.maximum(diversity, 0)  # rounding can leave -1e-17
