"""What a network is to say about an image, made from the label columns of an index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from medgraft.errors import ArgumentError, TableError
from medgraft.index.table import Index, near

Kind = Literal["exclusive", "independent"]
NOTHING_FOUND = {"absent", "control", "healthy", "negative", "no finding", "none", "normal"}


@dataclass(frozen=True)
class Target:
    """Names and meaning of the outputs of a network.

    Attributes:
        kind: "exclusive" where each image has exactly one of the classes (softmax over K
            outputs), "independent" where each label is present or absent by itself (K
            sigmoids).
        names: The K outputs: class names in sorted order, or the names of the labels.
        columns: Label columns they are read from: one for exclusive classes, K otherwise.
        positive: The class that binary metrics speak of; None where there are more than two
            outputs.
    """

    kind: Kind
    names: tuple[str, ...]
    columns: tuple[str, ...]
    positive: str | None = None

    @classmethod
    def of(cls, index: Index, *, positive: str | None = None) -> Target:
        """The target that the label columns of an index describe.

        One column of text, or of whole numbers other than 1, 0 and -1, holds exclusive
        classes. Columns of 1 / 0 / -1 / null are independent labels.

        Args:
            index: An index with at least one label.
            positive: Of two exclusive classes, the one that binary metrics speak of. The last
                in sorted order if not told, unless it is a word for "nothing found".

        Raises:
            TableError: If there is no label, only one class, or a mixture of kinds.
            ArgumentError: If `positive` is not one of two classes.
        """
        if not index.labels:
            raise TableError(
                "the index must have a label to learn, and has none."
                " Index again with --label COLUMN, or arrange the images in class folders."
            )
        if all(is_independent(index.frame[name]) for name in index.labels):
            target = cls("independent", index.labels, index.labels)
            _check_both_values(index)
            return target._with_positive(positive)
        if len(index.labels) > 1:
            raise TableError(
                "several labels must each hold 1, 0, -1 or nothing;"
                f" {_first_text(index)!r} holds other values. Give one column of class names,"
                " or columns of 1 and 0."
            )
        (column,) = index.labels
        names = tuple(sorted(as_classes(index.frame[column]).drop_nulls().unique().to_list()))
        if len(names) < 2:
            found = f"only {names[0]!r}" if names else "none"
            raise TableError(
                f"a classifier needs at least two classes; column {column!r} holds {found}"
                f" in {len(index)} images. Add images of another class."
            )
        return cls("exclusive", names, (column,))._with_positive(positive)

    def matrix(self, frame: pl.DataFrame) -> np.ndarray:
        """Truth of each row, shape (N, K), float32: 1, 0, -1 uncertain, NaN blank.

        Exclusive classes are one-hot; a row without a class is NaN throughout.

        Raises:
            TableError: If a label column is missing, or a row has a class that is not in
                `names`.
        """
        for name in self.columns:
            if name not in frame.columns:
                raise TableError(f"no column holds the label {name!r}. {near(name, frame.columns)}")
        if self.kind == "independent":
            columns = frame.select(pl.col(name).cast(pl.Float32) for name in self.columns)
            return columns.fill_null(float("nan")).to_numpy().reshape(-1, len(self.names))
        return self._one_hot(as_classes(frame[self.columns[0]]))

    def _one_hot(self, classes: pl.Series) -> np.ndarray:
        unknown = set(classes.drop_nulls().unique()) - set(self.names)
        if unknown:
            raise TableError(
                f"column {self.columns[0]!r} must hold one of {', '.join(self.names)},"
                f" got {min(unknown)!r}."
            )
        matrix = np.stack([(classes == name).to_numpy() for name in self.names], axis=1)
        truth: np.ndarray = np.where(
            classes.is_null().to_numpy()[:, None], np.float32("nan"), matrix.astype(np.float32)
        )
        return truth

    def _with_positive(self, positive: str | None) -> Target:
        binary = self.kind == "exclusive" and len(self.names) == 2
        single = self.kind == "independent" and len(self.names) == 1
        if positive is not None and not (binary or (single and positive == self.names[0])):
            raise ArgumentError(
                f"a positive class can be chosen among two exclusive classes, got {positive!r}"
                f" for {len(self.names)} {self.kind} outputs: {', '.join(self.names)}."
            )
        if positive is not None and positive not in self.names:
            raise ArgumentError(f"no class is called {positive!r}. {near(positive, self.names)}")
        chosen = positive or (_likely_positive(self.names) if binary or single else None)
        return Target(self.kind, self.names, self.columns, chosen)


def _likely_positive(names: Sequence[str]) -> str:
    """The last name in order, but not one that says that nothing was found.

    Examples:
        >>> _likely_positive(["lesion", "normal"]), _likely_positive(["benign", "malignant"])
        ('lesion', 'malignant')
    """
    found = [name for name in names if name.strip().lower() not in NOTHING_FOUND]
    return found[-1] if found else names[-1]


def is_independent(column: pl.Series) -> bool:
    """Whether a label column holds nothing but 1, 0, -1 and blanks (and is not text).

    Examples:
        >>> is_independent(pl.Series([1, 0, None, -1]))
        True
        >>> is_independent(pl.Series([1, 2, 3]))
        False
    """
    if column.dtype == pl.Boolean:
        return True
    if not column.dtype.is_numeric():
        return column.dtype == pl.Null
    values = column.cast(pl.Float64).drop_nulls().drop_nans()
    return bool(values.is_in([1.0, 0.0, -1.0]).all())


def as_classes(column: pl.Series) -> pl.Series:
    """A label column as class names.

    Examples:
        >>> as_classes(pl.Series([1, 5, None])).to_list()
        ['1', '5', None]
    """
    return column if column.dtype == pl.String else column.cast(pl.String)


def _first_text(index: Index) -> str:
    return next(n for n in index.labels if not is_independent(index.frame[n]))


def _check_both_values(index: Index) -> None:
    """A label that is always present, or never, cannot be learned."""
    for name in index.labels:
        values = index.frame[name].cast(pl.Float64).drop_nulls()
        if (values == 1).any() and (values == 0).any():
            return
    names = ", ".join(index.labels)
    raise TableError(
        f"a classifier needs at least two classes; no label of {names} holds both a 1 and a 0"
        f" in {len(index)} images. Add images of the other class."
    )
