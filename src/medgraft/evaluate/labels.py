"""From arrays of truth and probability to one two-sided question per label.

Independent labels are asked one by one; rows where a label is uncertain (-1) or blank (NaN)
are left out of that label and counted. Exclusive classes are asked one against the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from medgraft.errors import ArgumentError, ShapeError
from medgraft.evaluate import check
from medgraft.evaluate.check import Bools, Floats, Integers
from medgraft.registry import unknown_name

Kind = Literal["exclusive", "independent"]
SUM_TOLERANCE = 0.05  # five classes rounded to two digits may miss 1 by 0.025


@dataclass(frozen=True)
class Label:
    """The rows that say something about one label.

    Attributes:
        name: Of the label or class.
        rows: Which rows of the table these are, shape (n,).
        truth: Whether each of them is positive, shape (n,).
        score: Its probability, shape (n,).
        uncertain: Rows left out because the truth is -1.
        blank: Rows left out because the truth is missing.
    """

    name: str
    rows: Integers
    truth: Bools
    score: Floats
    uncertain: int
    blank: int


@dataclass(frozen=True)
class Labels:
    """All that is asked of one table of predictions.

    Attributes:
        kind: "exclusive" (each row is of one class) or "independent" (each label yes or no).
        labels: One per name, in their order.
        positive: The label that two-sided metrics speak of; None where there are several.
        rows: How many rows the table has.
        predicted: Class with the highest probability in each row that has a class; exclusive
            classes only, shape (n,).
        actual: Its true class; exclusive classes only, shape (n,).
    """

    kind: Kind
    labels: tuple[Label, ...]
    positive: str | None
    rows: int
    predicted: Integers | None
    actual: Integers | None

    @property
    def by_threshold(self) -> tuple[Label, ...]:
        """Labels that are decided by a threshold of their own; empty for three or more classes."""
        if self.kind == "independent":
            return self.labels
        return tuple(label for label in self.labels if label.name == self.positive)


def read_labels(
    truth: Any,
    probability: Any,
    *,
    names: Sequence[str],
    kind: str,
    positive: str | None = None,
) -> Labels:
    """Check truth and probability, and part them into labels.

    Args:
        truth: Shape (N, K): 1, 0, -1 (uncertain) or NaN (blank) per label; for exclusive
            classes one 1 per row, or shape (N,): the number of the class, NaN where blank.
        probability: In [0, 1], shape (N, K); (N,) where K is 1, or for two exclusive classes,
            where it belongs to `positive`.
        names: Of the K labels or classes.
        kind: "exclusive" or "independent".
        positive: Of two exclusive classes the one that metrics speak of; the second if None.

    Raises:
        ShapeError: If shapes do not fit each other or the names, or there are no rows.
        ArgumentError: If a value is out of its range, or no row has a known label.
        UnknownNameError: If `positive` is none of the names.
    """
    names = [str(name) for name in names]
    if kind not in ("exclusive", "independent"):
        raise ArgumentError(f"kind must be 'exclusive' or 'independent', got {kind!r}")
    if not names or len(set(names)) < len(names):
        raise ArgumentError(f"names must be distinct and at least one, got {names}")
    if positive is not None and positive not in names:
        raise unknown_name("class", positive, names)
    if kind == "exclusive" and len(names) > 1:
        return _exclusive(truth, probability, names, positive)
    return _independent(truth, probability, names, positive)


def _independent(truth: Any, probability: Any, names: list[str], positive: str | None) -> Labels:
    values = _matrix(truth, "truth", len(names))
    scores = _probabilities(probability, len(values), len(names))
    wrong = np.flatnonzero(~(np.isnan(values) | np.isin(values, (-1, 0, 1))).all(axis=1))
    if len(wrong):
        raise ArgumentError(
            "truth must be 1, 0, -1 (uncertain) or NaN (blank),"
            f" but {check.some_rows(wrong)} {values[wrong[0]].tolist()}"
        )
    labels = tuple(_one(name, values[:, k], scores[:, k]) for k, name in enumerate(names))
    only = names[0] if len(names) == 1 else None
    return Labels("independent", labels, positive or only, len(values), None, None)


def _one(name: str, truth: Floats, score: Floats) -> Label:
    known = np.flatnonzero((truth == 0) | (truth == 1))
    if not len(known):
        raise ArgumentError(
            f"every label must be known in at least one row, but {name!r} is blank or uncertain"
            f" in all {len(truth)}. Leave that label out."
        )
    uncertain, blank = int((truth == -1).sum()), int(np.isnan(truth).sum())
    return Label(name, known, truth[known] == 1, score[known], uncertain, blank)


def _exclusive(truth: Any, probability: Any, names: list[str], positive: str | None) -> Labels:
    classes = len(names)
    if classes == 2:
        positive = positive or names[1]
    actual = _class_numbers(truth, classes)
    scores = _class_probabilities(probability, len(actual), names, positive)
    known = np.flatnonzero(actual >= 0)
    if not len(known):
        raise ArgumentError(
            f"the class must be known in at least one row, of {len(actual)} none is"
        )
    blank = len(actual) - len(known)
    labels = tuple(
        Label(name, known, actual[known] == k, scores[known, k], 0, blank)
        for k, name in enumerate(names)
    )
    called = scores[known].argmax(axis=1).astype(np.int64)
    two_sided = positive if classes == 2 else None
    return Labels("exclusive", labels, two_sided, len(actual), called, actual[known])


def _class_numbers(truth: Any, classes: int) -> Integers:
    """Number of the class in each row, -1 where it is blank."""
    values = check.numbers(truth, "truth")
    if values.ndim == 1:
        values = check.vector(values, "truth")
        fits = np.isin(values, np.arange(classes)) | np.isnan(values)
        numbers = np.where(np.isnan(values), -1, values)
    else:
        values = _matrix(values, "truth", classes)
        blank = np.isnan(values).all(axis=1)
        fits = (np.isin(values, (0, 1)).all(axis=1) & (values.sum(axis=1) == 1)) | blank
        numbers = np.where(blank, -1, np.nan_to_num(values).argmax(axis=1))
    wrong = np.flatnonzero(~fits)
    if len(wrong):
        raise ArgumentError(
            f"truth must name exactly one of {classes} classes in each row (or NaN where it is"
            f" blank), but {check.some_rows(wrong)} {values[wrong[0]].tolist()}"
        )
    return numbers.astype(np.int64)


def _class_probabilities(
    probability: Any, rows: int, names: list[str], positive: str | None
) -> Floats:
    values = check.numbers(probability, "probability")
    if len(names) == 2 and (values.ndim == 1 or values.shape[1:] == (1,)):
        one = _probabilities(values, rows, 1)[:, 0]
        return np.stack([one, 1 - one] if positive == names[0] else [1 - one, one], axis=1)
    values = _probabilities(values, rows, len(names))
    wrong = np.flatnonzero(np.abs(values.sum(axis=1) - 1) > SUM_TOLERANCE)
    if len(wrong):
        raise ArgumentError(
            f"probabilities of exclusive classes must sum to 1 in each row, but {check.some_rows(wrong)}"
            f" {values[wrong[0]].sum():g}. Are the labels independent?"
        )
    return values


def _probabilities(probability: Any, rows: int, labels: int) -> Floats:
    values = _matrix(probability, "probability", labels)
    if len(values) != rows:
        raise ShapeError(
            f"truth and probability must have one row per image, got {rows} and {len(values)}"
        )
    check.finite(values, "probability")
    check.in_unit_range(values, "probability")
    return values


def _matrix(values: Any, what: str, columns: int) -> Floats:
    array = check.numbers(values, what)
    if array.ndim == 1 and columns == 1:
        array = array[:, None]
    if array.ndim != 2 or array.shape[1] != columns:
        raise ShapeError(
            f"{what} must have shape (N, {columns}), one column per name, got {array.shape}"
        )
    if not len(array):
        raise ShapeError(f"{what} must have at least one row, got none")
    return array
