"""The definitions in loops, slow and plain: what the vectorised code must agree with."""

import math

import numpy as np


def auroc(truth, score):
    pairs = [
        (a, b)
        for a, t in zip(score, truth, strict=True)
        if t
        for b, u in zip(score, truth, strict=True)
        if not u
    ]
    if not pairs:
        return math.nan
    return sum((a > b) + 0.5 * (a == b) for a, b in pairs) / len(pairs)


def average_precision(truth, score):
    positives = sum(truth)
    if not positives:
        return math.nan
    total, before = 0.0, 0
    for at in sorted(set(score), reverse=True):
        called = [t for t, s in zip(truth, score, strict=True) if s >= at]
        total += sum(called) / len(called) * (sum(called) - before) / positives
        before = sum(called)
    return total


def brier(truth, score):
    return (
        sum((s - t) ** 2 for t, s in zip(truth, score, strict=True)) / len(truth)
        if len(truth)
        else math.nan
    )


def ece(truth, score):
    if not len(truth):
        return math.nan
    bins = {}
    for t, s in zip(truth, score, strict=True):
        bins.setdefault(max(math.ceil(s * 15) - 1, 0), []).append((t, s))
    return sum(
        len(rows) / len(truth) * abs(np.mean([t for t, _ in rows]) - np.mean([s for _, s in rows]))
        for rows in bins.values()
    )


def counts(truth, called):
    both = list(zip(map(bool, truth), map(bool, called), strict=True))
    return [
        both.count(pair) for pair in ((True, True), (False, True), (True, False), (False, False))
    ]


def over(part, whole):
    return part / whole if whole else math.nan


def accuracy(truth, called):
    tp, _, _, tn = counts(truth, called)
    return over(tp + tn, len(truth))


def recall(truth, called):
    tp, _, fn, _ = counts(truth, called)
    return over(tp, tp + fn)


def precision(truth, called):
    tp, fp, _, _ = counts(truth, called)
    return over(tp, tp + fp)


def specificity(truth, called):
    _, fp, _, tn = counts(truth, called)
    return over(tn, tn + fp)


def f_beta(beta):
    def f(truth, called):
        tp, fp, fn, _ = counts(truth, called)
        return over((1 + beta**2) * tp, (1 + beta**2) * tp + beta**2 * fn + fp)

    return f


# Only what has a slow twin here is compared with it; the contract covers every metric.
TWINS = {
    "auroc": auroc,
    "average_precision": average_precision,
    "brier": brier,
    "ece": ece,
    "accuracy": accuracy,
    "recall": recall,
    "precision": precision,
    "specificity": specificity,
    "f1": f_beta(1),
    "f2": f_beta(2),
    "f0.5": f_beta(0.5),
}
