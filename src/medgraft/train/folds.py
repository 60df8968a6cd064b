"""Parts of a cross-validation, each of whole patients and each with every class."""

from __future__ import annotations

import numpy as np

from medgraft.index.stratify import stratify
from medgraft.seeds import derive


def patient_folds(unit: np.ndarray, classes: np.ndarray, *, most: int, seed: int) -> np.ndarray:
    """Divide images among folds so that no unit is torn apart and classes are spread evenly.

    Args:
        unit: What must stay together, such as the patient of each image, shape (N,).
        classes: Class of each image, shape (N,), in [0, K).
        most: Folds wanted; there are fewer where a class has fewer units.
        seed: Decides between what is equally good.

    Returns:
        The fold of each image, shape (N,), from 0. Whatever fold is left out, every class is
        among the others. A single fold, all zeros, if that cannot be had.

    Examples:
        >>> patient_folds(np.array([0, 0, 1, 2]), np.array([0, 0, 1, 1]), most=5, seed=0)
        array([0, 0, 0, 0])
    """
    _, unit = np.unique(unit, return_inverse=True)
    present = np.unique(classes)
    held = min(len(np.unique(unit[classes == k])) for k in present)
    labels = (classes[:, None] == present).astype(float)
    for count in range(min(most, held), 1, -1):
        shares = np.full(count, 1 / count)
        fold = stratify(unit, labels, shares, seed=derive(seed, "folds", count))
        if all(len(np.unique(classes[fold != left])) == len(present) for left in range(count)):
            return fold
    return np.zeros(len(unit), dtype=np.int64)
