"""Operating thresholds: from which score on a row is called positive.

A row is called positive where ``score >= threshold``. Choose the threshold on validation
rows: chosen on the rows it is then judged by, it makes recall and specificity look better
than they are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from medgraft.errors import ArgumentError, UndefinedMetricError
from medgraft.evaluate import check
from medgraft.evaluate.check import Floats

RULES = "a number, youden, sensitivity:0.95 or specificity:0.95"


def choose_threshold(truth: Any, score: Any, rule: str | float = "youden") -> float:
    """The threshold that a rule picks on these rows.

    Candidates lie half way between neighbouring distinct scores, so that rounding a score
    to fewer digits does not move it across; below the lowest score the candidate is that
    score itself, which calls every row positive. Rows of equal score are never parted.

    Args:
        truth: 1 where the row is positive, else 0, shape (N,).
        score: Higher is more likely positive, shape (N,).
        rule: "youden": the largest recall + specificity - 1; of equal ones the lowest
            threshold, which misses fewest. "sensitivity:0.95": the highest threshold whose
            recall is at least 0.95. "specificity:0.95": the lowest threshold whose
            specificity is at least 0.95. A number: that threshold.

    Returns:
        The threshold, on the scale of the scores.

    Raises:
        ArgumentError: If the rule is none of these.
        UndefinedMetricError: If the rows lack the class that the rule speaks of.

    Examples:
        >>> choose_threshold([0, 0, 1, 1], [0.1, 0.4, 0.6, 0.8])
        0.5
        >>> choose_threshold([0, 1, 0, 1], [0.125, 0.375, 0.625, 0.875], rule="sensitivity:1")
        0.25
        >>> choose_threshold([0, 1], [0.1, 0.2], rule=0.3)
        0.3
    """
    name, target = parse_rule(rule)
    if name == "fixed":
        return target
    positive = check.truths(truth)
    values = check.scores(score, len(positive))
    _both_classes(positive, str(rule))
    thresholds, recall, specificity = _candidates(positive, values)
    if name == "youden":
        # Rates are ratios of counts; a last bit must not decide between equal ones.
        best = (recall + specificity).round(12)
        return float(thresholds[np.flatnonzero(best == best.max())[0]])
    if name == "sensitivity":
        return float(thresholds[np.flatnonzero(recall >= target - 1e-12)[-1]])
    return float(thresholds[np.flatnonzero(specificity >= target - 1e-12)[0]])


def parse_rule(rule: str | float) -> tuple[str, float]:
    """What a rule asks for: its name and its number.

    Raises:
        ArgumentError: If it is no rule.

    Examples:
        >>> parse_rule("sensitivity:0.9"), parse_rule("0.5"), parse_rule("youden")
        (('sensitivity', 0.9), ('fixed', 0.5), ('youden', 0.0))
    """
    name, _, number = str(rule).partition(":")
    if name == "youden" and not number:
        return name, 0.0
    try:
        value = float(number if name in ("sensitivity", "specificity") else str(rule))
    except ValueError:
        raise ArgumentError(f"a threshold must be {RULES}, got {rule!r}") from None
    fixed = name not in ("sensitivity", "specificity")
    if not np.isfinite(value) or not (fixed or 0 < value <= 1):
        raise ArgumentError(f"a threshold must be {RULES}, its number in (0, 1], got {rule!r}")
    return ("fixed" if fixed else name), value


def _both_classes(positive: check.Bools, rule: str) -> None:
    if positive.all() or not positive.any():
        only = "positive" if positive.all() else "negative"
        raise UndefinedMetricError(
            f"the threshold rule {rule!r} needs both classes; the {len(positive)} rows are all {only}."
            " Give a number instead."
        )


def _candidates(positive: check.Bools, score: Floats) -> tuple[Floats, Floats, Floats]:
    """Rising thresholds with their recall and specificity; the one above all scores last."""
    distinct, group = np.unique(score, return_inverse=True)
    positives = np.bincount(group, weights=positive, minlength=len(distinct))
    negatives = np.bincount(group, weights=~positive, minlength=len(distinct))
    recall = 1 - np.r_[0, np.cumsum(positives)] / positives.sum()
    specificity = np.r_[0, np.cumsum(negatives)] / negatives.sum()
    middle = distinct[:-1] + (distinct[1:] - distinct[:-1]) / 2
    middle = np.where(middle > distinct[:-1], middle, distinct[1:])  # neighbouring floats
    top = np.nextafter(distinct[-1], np.inf)
    return np.r_[distinct[0], middle, top], recall, specificity
