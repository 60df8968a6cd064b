"""What truths, scores and patients must look like; anything else is refused, never repaired."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from medgraft.errors import ArgumentError, ShapeError

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Units:
    """What the bootstrap draws: patients where they are known, else images.

    Attributes:
        of_row: Number of the unit that each row belongs to, shape (N,), in [0, count).
        count: How many units there are.
        name: "patient" or "image".
    """

    of_row: Integers
    count: int
    name: str


def units(patients: Any, rows: int) -> Units:
    """Number the patients; without patients every row is its own unit.

    Raises:
        ShapeError: If there is not one patient per row.
        ArgumentError: If a patient is blank (None, NaN or empty text).
    """
    if patients is None:
        return Units(np.arange(rows, dtype=np.int64), rows, "image")
    known = np.asarray(patients, dtype=object)
    if known.shape != (rows,):
        raise ShapeError(
            f"patients must name one patient per row, shape ({rows},), got {known.shape}"
        )
    blank = [row for row, name in enumerate(known) if name is None or name != name or name == ""]
    if blank:
        raise ArgumentError(
            f"every row must have a patient, but {some_rows(blank)} blank."
            " Fill them in, or pass patients=None to resample images."
        )
    numbers: dict[Any, int] = {}
    of_row = np.array([numbers.setdefault(name, len(numbers)) for name in known], dtype=np.int64)
    return Units(of_row, len(numbers), "patient")


def truths(truth: Any, what: str = "truth") -> Bools:
    """Zeros and ones (or booleans) as booleans, shape (N,).

    Raises:
        ShapeError: If it is not one-dimensional or has no rows.
        ArgumentError: If it holds anything but 0 and 1.
    """
    array = vector(truth, what)
    wrong = np.flatnonzero((array != 0) & (array != 1))
    if len(wrong):
        raise ArgumentError(
            f"{what} must hold only 0 and 1, but {some_rows(wrong)} {array[wrong[0]]:g}."
            " Leave out rows without a known label first."
        )
    positive: Bools = array == 1
    return positive


def scores(score: Any, rows: int, *, probability: bool = False, what: str = "score") -> Floats:
    """Finite scores, shape (N,); with `probability` they must also lie in [0, 1].

    Raises:
        ShapeError: If there is not one score per row.
        ArgumentError: If a score is NaN or infinite, or no probability.
    """
    array = vector(score, what)
    if len(array) != rows:
        raise ShapeError(f"{what} must have one value per row, {rows} rows, got {len(array)}")
    finite(array, what)
    if probability:
        in_unit_range(array, what)
    return array


def vector(values: Any, what: str) -> Floats:
    """Numbers of shape (N,) with N at least 1, as float64."""
    array = numbers(values, what)
    if array.ndim != 1:
        raise ShapeError(f"{what} must have shape (N,), got {array.shape}")
    if not len(array):
        raise ShapeError(f"{what} must have at least one row, got none")
    return array


def numbers(values: Any, what: str) -> Floats:
    """Any array of numbers as float64.

    Raises:
        ArgumentError: If it holds text or other things that are not numbers.
    """
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"{what} must hold numbers only: {error}") from error


def finite(array: Floats, what: str) -> None:
    """Refuse NaN and infinity, saying how many rows and which."""
    wrong = _rows_where(~np.isfinite(array))
    if len(wrong):
        raise ArgumentError(
            f"{what} must be finite, but {some_rows(wrong)} NaN or infinite."
            " A model that gives NaN has failed there; find out why before judging it."
        )


def in_unit_range(array: Floats, what: str) -> None:
    """Refuse what is no probability."""
    wrong = _rows_where((array < 0) | (array > 1))
    if len(wrong):
        raise ArgumentError(
            f"{what} must lie in [0, 1], got {array.min():g} to {array.max():g}"
            f" ({len(wrong)} of {len(array)} rows outside). Were logits passed?"
        )


def _rows_where(wrong: Bools) -> Integers:
    return np.flatnonzero(wrong if wrong.ndim == 1 else wrong.any(axis=1)).astype(np.int64)


def some_rows(rows: Sequence[int] | Integers) -> str:
    """The first few of the rows in question, in words, with the verb.

    Examples:
        >>> some_rows([3])
        '1 row (3) is'
        >>> some_rows(range(9))
        '9 rows (0, 1, 2, 3, 4, ...) are'
    """
    first = ", ".join(str(int(row)) for row in list(rows[:5])) + (", ..." if len(rows) > 5 else "")
    return f"1 row ({first}) is" if len(rows) == 1 else f"{len(rows)} rows ({first}) are"
