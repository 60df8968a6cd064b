"""Predictions in a table, of a run of medgraft or of any other tool.

The one file here that reads files, and so the one that needs polars.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from medgraft.errors import ArgumentError, TableError
from medgraft.evaluate import check
from medgraft.evaluate.check import Floats
from medgraft.evaluate.delong import Placed, place_known
from medgraft.registry import unknown_name


@dataclass(frozen=True)
class Predictions:
    """What `evaluate` needs, from a table.

    Attributes:
        names: Of the K labels or classes.
        kind: "exclusive" or "independent".
        truth: Shape (N, K): 1, 0, -1 uncertain, NaN blank.
        probability: Shape (N, K).
        patients: Whose image each row is, N of them; None where the table does not say.
        positive: Of two exclusive classes the one that metrics speak of.
    """

    names: tuple[str, ...]
    kind: str
    truth: Floats
    probability: Floats
    patients: tuple[str, ...] | None
    positive: str | None

    @cached_property
    def placed(self) -> tuple[Placed, ...]:
        """The known rows of each label, for DeLong's test against any other model."""
        units = check.units(self.patients, len(self.truth))
        return tuple(
            place_known(truth, score, units)
            for truth, score in zip(self.truth.T, self.probability.T, strict=True)
        )

    def frame(self) -> pl.DataFrame:
        """The rows as `predictions.parquet` holds them."""
        columns: dict[str, object] = {}
        if self.patients is not None:
            columns["patient_id"] = self.patients
        for number, name in enumerate(self.names):
            truth = pl.Series(self.truth[:, number]).fill_nan(None)
            columns[f"y_{name}"] = truth.cast(pl.Int8)
            columns[f"p_{name}"] = self.probability[:, number]
        return pl.DataFrame(columns)


def read_frame(path: Path) -> pl.DataFrame:
    """A table of CSV, TSV or parquet, by its suffix.

    Raises:
        TableError: If it is missing, empty, or not what its suffix says.
    """
    path = Path(path)
    if not path.is_file():
        raise TableError(
            f"'{path}' must be a table (csv, tsv, parquet) or a run folder, and is not."
        )
    try:
        frame = _read(path)
    except (pl.exceptions.PolarsError, OSError, UnicodeDecodeError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise TableError(
            f"'{path}' must be a readable {path.suffix[1:] or 'csv'} table: {first}"
        ) from error
    if frame.is_empty():
        raise TableError(f"'{path}' must have at least one row below its header, and has none.")
    return frame


def _read(path: Path) -> pl.DataFrame:
    suffix = path.suffix.lower()
    if suffix in (".parquet", ".pq"):
        return pl.read_parquet(path)
    if suffix in (".csv", ".tsv", ".txt"):
        separator = "\t" if suffix == ".tsv" else ","
        return pl.read_csv(path, separator=separator, infer_schema_length=None)
    raise TableError(f"a table must end in .csv, .tsv or .parquet, got '{path}'")


def foreign(
    frame: pl.DataFrame,
    *,
    label: Sequence[str],
    probability: Sequence[str],
    patient: str | None = None,
    classes: Sequence[str] = (),
    positive: str | None = None,
) -> Predictions:
    """Predictions in the table of another tool.

    One label column and one probability column: is it there or not; the label holds 1 and 0
    (or true and false), or text of two classes with `positive` told. One label column and
    several probability columns: exclusive classes, named by what follows the common beginning
    of the probability columns, or by `classes`. As many label columns as probability
    columns: independent labels.

    Args:
        frame: The table.
        label: Columns of the truth.
        probability: Columns of the probabilities.
        patient: Column of the patient; None where it is not known.
        classes: Names of the classes, in the order of the probability columns.
        positive: Of two classes the one that metrics speak of.

    Raises:
        UnknownNameError: If a column does not exist.
        ArgumentError: If numbers of columns do not fit together.
        TableError: If a column holds what it must not; the message names column and rows.
    """
    for column in [*label, *probability, *([patient] if patient else [])]:
        if column not in frame.columns:
            raise unknown_name("column of the table", column, frame.columns)
    scores = np.stack([_probabilities(frame[column]) for column in probability], axis=1)
    patients = None if patient is None else _patients(frame[patient])
    if len(label) == 1 and (len(probability) > 1 or _is_text(frame[label[0]])):
        values = _as_text(frame[label[0]])
        names, scores = _classes(values, probability, classes, positive, scores)
        truth = _one_hot(values, names)
        kind = "exclusive"
    elif len(label) == len(probability):
        truth = np.stack([_zero_or_one(frame[column]) for column in label], axis=1)
        names, kind = _label_names(label, classes), "independent"
    else:
        raise ArgumentError(
            "there must be one label column, or as many as probability columns,"
            f" got {len(label)} ({', '.join(label)}) and {len(probability)} ({', '.join(probability)})"
        )
    return Predictions(names, kind, truth, scores, patients, positive)


def of_run(
    frame: pl.DataFrame, *, kind: str | None = None, positive: str | None = None
) -> Predictions:
    """Predictions as `predictions.parquet` of a run holds them.

    Args:
        frame: Columns `patient_id`, `y_<name>` and `p_<name>`.
        kind: As recorded; None to see it in the rows: classes are exclusive where each row
            has one, and probabilities that sum to 1.
        positive: As recorded.

    Raises:
        TableError: If columns are missing or hold what they must not.
    """
    names = tuple(name[2:] for name in frame.columns if name.startswith("p_"))
    missing = [f"y_{name}" for name in names if f"y_{name}" not in frame.columns]
    if not names or missing:
        raise TableError(
            "predictions must have columns y_<name> and p_<name> for every class,"
            f" missing: {', '.join(missing) or 'all'}. Found: {', '.join(frame.columns)}."
        )
    truth = np.stack([_zero_or_one(frame[f"y_{name}"]) for name in names], axis=1)
    scores = np.stack([_probabilities(frame[f"p_{name}"]) for name in names], axis=1)
    patients = None
    if "patient_id" in frame.columns and frame["patient_id"].null_count() < len(frame):
        patients = _patients(frame["patient_id"])
    return Predictions(names, kind or _kind(truth, scores), truth, scores, patients, positive)


def _kind(truth: Floats, scores: Floats) -> str:
    known = ~np.isnan(truth).all(axis=1)
    one_each = len(truth[0]) > 1 and bool((np.sum(truth[known] == 1, axis=1) == 1).all())
    return (
        "exclusive" if one_each and np.allclose(scores.sum(axis=1), 1, atol=0.01) else "independent"
    )


def _is_text(column: pl.Series) -> bool:
    return column.dtype in (pl.String, pl.Categorical, pl.Enum)


def _rows(wrong: pl.Series) -> str:
    """Which rows, counted from 1 below the header, as a spreadsheet user counts."""
    numbers = [number + 1 for number in wrong.arg_true().to_list()]
    first = ", ".join(map(str, numbers[:5])) + (", ..." if len(numbers) > 5 else "")
    return f"row {first}" if len(numbers) == 1 else f"{len(numbers)} rows ({first})"


def _numbers(column: pl.Series, must: str) -> pl.Series:
    values = (
        column.cast(pl.Float64, strict=False)
        if not _is_text(column)
        else column.str.strip_chars().cast(pl.Float64, strict=False)
    )
    if (wrong := values.is_null() & column.is_not_null()).any():
        example = column.filter(wrong)[0]
        raise TableError(
            f"column {column.name!r} must hold {must}, got {example!r} in {_rows(wrong)},"
            " counted from 1 below the header"
        )
    return values


def _probabilities(column: pl.Series) -> Floats:
    must = "a probability in every row"
    values = _numbers(column, must)
    if (wrong := values.is_null() | ~values.is_finite().fill_null(value=False)).any():
        raise TableError(
            f"column {column.name!r} must hold {must}, but {_rows(wrong)} blank, NaN or infinite"
            " (counted from 1 below the header). Remove them, or find out why the model failed there."
        )
    if (wrong := (values < 0) | (values > 1)).any():
        raise TableError(
            f"column {column.name!r} must hold probabilities in [0, 1], got {float(values.to_numpy().min()):g} to"
            f" {float(values.to_numpy().max()):g}, outside in {_rows(wrong)}. Were logits saved? Apply sigmoid or softmax first."
        )
    return values.to_numpy()


def _zero_or_one(column: pl.Series) -> Floats:
    must = "1 and 0 (-1 for uncertain, nothing for blank)"
    values = _numbers(column, must).fill_nan(None)
    if (wrong := ~values.is_in([-1.0, 0.0, 1.0]).fill_null(value=True)).any():
        raise TableError(
            f"column {column.name!r} must hold {must}, got {values.filter(wrong)[0]:g} in {_rows(wrong)}."
            " For classes give one probability column per class."
        )
    return values.fill_null(float("nan")).to_numpy()


def _patients(column: pl.Series) -> tuple[str, ...]:
    text = column.cast(pl.String)
    blank = text.is_null() | (text.str.strip_chars() == "").fill_null(value=True)
    if column.dtype.is_float():
        blank |= column.is_nan().fill_null(value=True)
    if blank.any():
        raise TableError(
            f"column {column.name!r} must name a patient in every row, but {_rows(blank)} blank"
            " (counted from 1 below the header). Fill them in, or leave --patient out to resample images."
        )
    return tuple(text.to_list())


def _as_text(column: pl.Series) -> pl.Series:
    """Class names as text, null where blank; whole numbers without a decimal point."""
    if column.dtype.is_float():
        column = column.fill_nan(None)
        if (column.drop_nulls() % 1 == 0).all():
            column = column.cast(pl.Int64)
    text = column.cast(pl.String).str.strip_chars()
    return text.replace({"": None})


def _classes(
    values: pl.Series,
    probability: Sequence[str],
    classes: Sequence[str],
    positive: str | None,
    scores: Floats,
) -> tuple[tuple[str, ...], Floats]:
    """Names of the exclusive classes, and their probabilities, shape (N, K)."""
    seen = sorted(values.drop_nulls().unique().to_list())
    if len(probability) == 1:
        names = tuple(classes or seen)
        if len(names) != 2 or positive not in names:
            raise ArgumentError(
                f"column {values.name!r} holds text, so one probability column needs exactly two classes"
                f" and --positive to say which one it is of; got classes {', '.join(names[:8])} and"
                f" positive {positive!r}"
            )
        one = scores[:, 0]
        return names, np.stack([one, 1 - one] if positive == names[0] else [1 - one, one], axis=1)
    names = tuple(classes) or _after_common_beginning(probability, seen)
    if len(names) != len(probability) or len(set(names)) < len(names):
        raise ArgumentError(
            f"--classes must give {len(probability)} distinct names, one per probability column, got {names}"
        )
    if strange := [value for value in seen if value not in names]:
        raise TableError(
            f"column {values.name!r} must hold only classes that have a probability column"
            f" ({', '.join(names)}), got {', '.join(map(repr, strange[:5]))}."
            " Name the classes in the order of the probability columns with --classes."
        )
    return names, scores


def _after_common_beginning(columns: Sequence[str], seen: Sequence[str]) -> tuple[str, ...]:
    """Column names without the beginning they share; the longest one that leaves the classes seen.

    Examples:
        >>> _after_common_beginning(["p_benign", "p_bone"], ["benign", "bone"])
        ('benign', 'bone')
    """
    first, last = min(columns), max(columns)
    shared = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), 0)
    for length in range(shared, -1, -1):
        names = tuple(column[length:] for column in columns)
        if all(names) and set(seen) <= set(names):
            return names
    word = max(first[:shared].rfind(mark) for mark in "_-. ") + 1
    return tuple(column[word:] for column in columns)


def _one_hot(values: pl.Series, names: Sequence[str]) -> Floats:
    table = np.full((len(values), len(names)), np.nan)
    for number, name in enumerate(names):
        table[:, number] = (values == name).cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return table


def _label_names(label: Sequence[str], classes: Sequence[str]) -> tuple[str, ...]:
    if classes and len(classes) != len(label):
        raise ArgumentError(
            f"--classes must give {len(label)} names, one per label column, got {len(classes)}"
        )
    marked = all(name.startswith("y_") and len(name) > 2 for name in label)
    return tuple(classes) or tuple(name[2:] if marked else name for name in label)
