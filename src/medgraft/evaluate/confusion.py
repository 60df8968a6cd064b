"""Confusion matrices: rows are what the images are, columns what they were called."""

from __future__ import annotations

from typing import Any

import numpy as np

from medgraft.errors import ArgumentError, ShapeError
from medgraft.evaluate import check
from medgraft.evaluate.check import Integers


def confusion(actual: Any, predicted: Any, *, classes: int = 2) -> Integers:
    """Count rows by what they are and what they were called.

    Args:
        actual: Number of the class that each row is of, shape (N,), in [0, classes).
        predicted: Number of the class that it was called, shape (N,).
        classes: How many classes there are.

    Returns:
        Counts, shape (classes, classes): [actual, predicted]. With two classes
        ``[[TN, FP], [FN, TP]]``.

    Raises:
        ShapeError: If the lengths differ, or there are no rows.
        ArgumentError: If a class number is not a whole number in [0, classes).

    Examples:
        >>> confusion([0, 0, 1, 1], [0, 1, 1, 1])
        array([[1, 1],
               [0, 2]])
    """
    is_of, called = _numbers(actual, "actual", classes), _numbers(predicted, "predicted", classes)
    if len(is_of) != len(called):
        raise ShapeError(
            f"predicted must have one value per row, {len(is_of)} rows, got {len(called)}"
        )
    cell = is_of * classes + called
    return np.bincount(cell, minlength=classes**2).reshape(classes, classes)


def _numbers(values: Any, what: str, classes: int) -> Integers:
    array = check.vector(values, what)
    wrong = np.flatnonzero(~((array >= 0) & (array < classes) & (array == np.floor(array))))
    if len(wrong):
        raise ArgumentError(
            f"{what} must hold class numbers 0 to {classes - 1},"
            f" but {check.some_rows(wrong)} {array[wrong[0]]:g}"
        )
    return array.astype(np.int64)
