"""Scores that steer training: points without intervals, blanks left out."""

from __future__ import annotations

import numpy as np

from medgraft.errors import UndefinedMetricError
from medgraft.evaluate import auroc


def macro_auroc(targets: np.ndarray, probabilities: np.ndarray) -> float | None:
    """Mean over the labels of the AUROC on the rows where the label is known.

    Args:
        targets: Shape (N, K), 1, 0 or NaN.
        probabilities: Shape (N, K).

    Returns:
        The mean over the labels that have both classes; None if no label has.
    """
    values = []
    for truth, score in zip(targets.T, probabilities.T, strict=True):
        known = ~np.isnan(truth)
        try:
            values.append(auroc(truth[known] > 0.5, score[known]))
        except UndefinedMetricError:
            continue
    return float(np.mean(values)) if values else None
