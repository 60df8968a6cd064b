"""From scores to a choice: the best, or of a short list some by chance or far apart."""

from __future__ import annotations

import numpy as np

from medgraft.active.evidence import Doubles, Floats, Integers
from medgraft.active.farthest import farthest_first
from medgraft.errors import ArgumentError, EvidenceError


def check_budget(budget: int, candidates: int) -> None:
    """Refuse a budget that cannot be spent.

    Raises:
        ArgumentError: If it is not in [1, candidates].
    """
    if not 1 <= budget <= candidates:
        raise ArgumentError(
            f"budget must be in [1, {candidates}], the candidates of the pool, got {budget}"
        )


def best(scores: Doubles, count: int, rng: np.random.Generator) -> Integers:
    """The highest scores, best first, shape (count,).

    Equal scores come in an order of chance: the order of a pool is often that of its patients.

    Raises:
        ArgumentError: If count is not in [1, N].
        EvidenceError: If a score is not finite.

    Examples:
        >>> best(np.array([0.1, 0.9, 0.5]), 2, np.random.default_rng(0))
        array([1, 2])
    """
    check_budget(count, len(scores))
    if not np.isfinite(scores).all():
        row = int(np.flatnonzero(~np.isfinite(scores))[0])
        raise EvidenceError(f"scores must be finite, got {scores[row]} for candidate {row}")
    chance = rng.permutation(len(scores))
    return chance[np.argsort(-scores[chance], kind="stable")[:count]]


def drawn(scores: Doubles, budget: int, rng: np.random.Generator, *, omega: int) -> Integers:
    """Some of the best by chance: `budget` of the short list of omega times as many.

    The chance of a candidate falls linearly from the best score of the short list to the
    last, which has none (AFT, Zhou et al. 2021, eq. for a'). A pool that is too small
    for the short list is all on it, and equal scores are drawn alike.

    Returns:
        Distinct candidates, shape (budget,), best first.

    Raises:
        ArgumentError: If the budget is not in [1, N].
        EvidenceError: If a score is not finite.
    """
    check_budget(budget, len(scores))
    listed = best(scores, min(omega * budget, len(scores)), rng)
    with np.errstate(divide="ignore"):
        log_odds = np.log(odds(scores[listed]))
    # To draw without replacement is to sort by log odds plus Gumbel noise; those without a chance
    # come last, and only if the others are fewer than the budget.
    noisy = log_odds + rng.gumbel(size=len(listed))
    last = rng.random(len(listed))
    return listed[np.sort(np.lexsort((last, -noisy))[:budget])]


def spread(
    scores: Doubles,
    features: Floats,
    budget: int,
    rng: np.random.Generator,
    *,
    omega: int,
    labelled: Floats | None = None,
) -> Integers:
    """Of the best some that lie far apart: `budget` of the short list of omega times as many.

    Among the highest scores are often several pictures of the same thing. From the short list this
    takes the candidate that is farthest from all that is labelled or taken, again and again;
    where nothing is labelled it begins with the best.

    Args:
        scores: Higher: label sooner, shape (N,).
        features: Embeddings of the candidates, shape (N, D).
        budget: How many to choose.
        rng: For equal scores.
        omega: The short list is so many times the budget.
        labelled: Embeddings of what is labelled, shape (L, D), or None.

    Returns:
        Distinct candidates, shape (budget,), best first.

    Raises:
        ArgumentError: If the budget is not in [1, N].
        EvidenceError: If a score or a feature of the short list is not finite.
    """
    check_budget(budget, len(scores))
    listed = best(scores, min(omega * budget, len(scores)), rng)
    apart = farthest_first(features[listed], budget, rng, covered=labelled, first=0)
    return listed[np.sort(apart)]


def odds(scores: Doubles) -> Doubles:
    """The chance of each candidate of a short list to be drawn first; they sum to one.

    Args:
        scores: Of the short list, descending, shape (S,).

    Examples:
        >>> odds(np.array([9.0, 7.0, 5.0, 3.0, 1.0]))
        array([0.4, 0.3, 0.2, 0.1, 0. ])
        >>> odds(np.array([2.0, 2.0]))
        array([0.5, 0.5])
    """
    above = scores - scores[-1]
    total = above.sum()
    return above / total if total > 0 else np.full(len(scores), 1 / len(scores))
