"""A pool in a table of predictions, of medgraft or of any other tool."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from medgraft.active.evidence import Evidence
from medgraft.errors import TableError
from medgraft.registry import unknown_name

KEY, PREFIX = "candidate", "p_"


@dataclass(frozen=True)
class Pool:
    """Candidates with their names.

    Attributes:
        names: Of the candidates, in the order in which they first stand in the table.
        classes: What follows `p_` in the names of the columns.
        evidence: What was said of them.
    """

    names: tuple[str, ...]
    classes: tuple[str, ...]
    evidence: Evidence

    @classmethod
    def of(cls, frame: pl.DataFrame, *, independent: bool = False) -> Pool:
        """The pool in a table with a row per candidate and view.

        Args:
            frame: Columns `candidate` and `p_<class>`; other columns are not read. The rows of
                a candidate may lie apart, and candidates may have any number of them.
            independent: The classes may hold together. One class alone always is so.

        Raises:
            UnknownNameError: If there is no column `candidate`.
            TableError: If there is no column of probabilities, or a cell is empty or no number.
            EvidenceError: If a probability is not one.

        Examples:
            >>> rows = {"candidate": ["a", "a", "b"], "p_mass": [0.1, 0.3, 0.9]}
            >>> pool = Pool.of(pl.DataFrame(rows))
            >>> pool.names, pool.classes, pool.evidence.views
            (('a', 'b'), ('mass',), array([2, 1]))
        """
        if KEY not in frame.columns:
            raise unknown_name("column of the table", KEY, frame.columns)
        columns = [name for name in frame.columns if name.startswith(PREFIX)]
        if not columns:
            raise TableError(
                f"the table must have columns {PREFIX}<class> with probabilities, and has none."
                f" Columns: {', '.join(frame.columns)}."
            )
        _refuse_gaps(frame, [KEY, *columns])
        names = frame[KEY].cast(pl.String)
        unique = names.unique(maintain_order=True)
        order = pl.DataFrame({KEY: unique, "place": np.arange(len(unique))})
        place = names.to_frame().join(order, on=KEY, how="left", maintain_order="left")
        of_row = place["place"].to_numpy()
        counts = np.bincount(of_row)
        sorted_rows = np.argsort(of_row, kind="stable")
        starts = np.cumsum(counts) - counts
        view = np.arange(len(of_row)) - np.repeat(starts, counts)
        stacked = np.zeros((len(counts), int(counts.max()), len(columns)))
        values = frame.select(columns).cast(pl.Float64).to_numpy()
        stacked[of_row[sorted_rows], view] = values[sorted_rows]
        evidence = Evidence(
            stacked,
            independent=independent or len(columns) == 1,
            counts=None if counts.min() == counts.max() else counts,
        )
        classes = tuple(name.removeprefix(PREFIX) for name in columns)
        return cls(tuple(unique), classes, evidence)


def _refuse_gaps(frame: pl.DataFrame, columns: list[str]) -> None:
    for name in columns:
        column = frame[name]
        if name != KEY and not column.dtype.is_numeric():
            raise TableError(f"column {name!r} must hold numbers, got {column.dtype}")
        if column.null_count():
            row = int(column.is_null().arg_true()[0])
            raise TableError(
                f"column {name!r} must be filled in every row, but row {row + 1} (below the header)"
                " is empty"
            )
