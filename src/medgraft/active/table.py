"""A pool in a table of predictions, of medgraft or of any other tool."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from medgraft.active.evidence import Doubles, Evidence, Integers
from medgraft.errors import TableError
from medgraft.registry import unknown_name

PREFIX = "p_"


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
    def of(
        cls, frame: pl.DataFrame, *, candidate: str = "candidate", independent: bool = False
    ) -> Pool:
        """The pool in a table with a row per candidate and view.

        Args:
            frame: Columns `p_<class>` and one that names the candidate; others are not read. The
                rows of a candidate may lie apart, and candidates may have any number of them.
            candidate: Which column names the candidate.
            independent: The classes may hold together. One class alone always is so.

        Raises:
            UnknownNameError: If there is no such column.
            TableError: If there is no column of probabilities, or a cell is empty or no number.
            EvidenceError: If a probability is not one.

        Examples:
            >>> rows = {"candidate": ["a", "a", "b"], "p_mass": [0.1, 0.3, 0.9]}
            >>> pool = Pool.of(pl.DataFrame(rows))
            >>> pool.names, pool.classes, pool.evidence.views
            (('a', 'b'), ('mass',), array([2, 1]))
        """
        if candidate not in frame.columns:
            raise unknown_name("column of the table", candidate, frame.columns)
        columns = [name for name in frame.columns if name.startswith(PREFIX)]
        if not columns:
            raise TableError(
                f"the table must have columns {PREFIX}<class> with probabilities, and has none."
                f" Columns: {', '.join(frame.columns)}."
            )
        _refuse_gaps(frame, candidate, columns)
        names = frame[candidate].cast(pl.String)
        stacked, counts = _stacked(names, frame.select(columns).cast(pl.Float64).to_numpy())
        evidence = Evidence(
            stacked,
            independent=independent or len(columns) == 1,
            counts=None if counts.min() == counts.max() else counts,
        )
        classes = tuple(name.removeprefix(PREFIX) for name in columns)
        return cls(tuple(names.unique(maintain_order=True)), classes, evidence)


def _stacked(names: pl.Series, rows: Doubles) -> tuple[Doubles, Integers]:
    """Rows (R, K) as views of candidates (N, V, K), and how many views each has (N,)."""
    place = names.rank("dense").to_numpy() - 1
    _, first, place = np.unique(place, return_index=True, return_inverse=True)
    place = np.argsort(np.argsort(first))[place]  # in the order in which they first stand there
    counts = np.bincount(place)
    order = np.argsort(place, kind="stable")
    view = np.arange(len(place)) - np.repeat(np.cumsum(counts) - counts, counts)
    stacked = np.zeros((len(counts), int(counts.max()), rows.shape[1]))
    stacked[place[order], view] = rows[order]
    return stacked, counts


def _refuse_gaps(frame: pl.DataFrame, candidate: str, columns: list[str]) -> None:
    for name in [candidate, *columns]:
        column = frame[name]
        if name != candidate and not column.dtype.is_numeric():
            raise TableError(f"column {name!r} must hold numbers, got {column.dtype}")
        if column.null_count():
            row = int(column.is_null().arg_true()[0])
            raise TableError(
                f"column {name!r} must be filled in every row, but row {row + 1} (below the header)"
                " is empty"
            )
