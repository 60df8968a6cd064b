"""Folds for cross-validation in which no patient is on both sides."""

from __future__ import annotations

import warnings

import numpy as np

FOLDS = 5


def grouped(classes: np.ndarray, patients: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows to learn from and rows to judge, for each fold; patients whole, classes spread evenly.

    As many as five folds; fewer where a class has fewer patients, none where one has but one.

    Args:
        classes: Shape (N,).
        patients: Shape (N,).
    """
    from sklearn.model_selection import StratifiedGroupKFold

    names = np.unique(classes)
    fewest = min(len(np.unique(patients[classes == name])) for name in names)
    if len(names) < 2 or fewest < 2:
        return []
    cut = StratifiedGroupKFold(min(FOLDS, fewest), shuffle=True, random_state=0)
    with warnings.catch_warnings():  # a class with fewer images than folds cannot be spread evenly
        warnings.filterwarnings("ignore", message="The least populated class")
        return list(cut.split(np.zeros(len(classes)), classes, patients))
