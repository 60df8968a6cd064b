"""Distances between points that may lie in a file in half precision, block by block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from medgraft.active.evidence import Floats, Integers
from medgraft.errors import EvidenceError

ROWS = 4096  # of a block: 8 MiB at 512 values in single precision


@dataclass(frozen=True)
class Points:
    """N points whose squares are known.

    Computed in double precision where the points are, in single precision otherwise.

    Attributes:
        values: Shape (N, D), of any precision; may be a memory map.
        squares: Square of the length of each point, shape (N,).
    """

    values: Floats
    squares: Floats

    @classmethod
    def of(cls, values: Floats) -> Points:
        """Read all points once.

        Raises:
            EvidenceError: If a value is not finite.
        """
        kind = _precision(values)
        squares = np.empty(len(values), dtype=kind)
        for rows in _slices(len(values)):
            block = np.asarray(values[rows], dtype=kind)
            squares[rows] = np.einsum("nd,nd->n", block, block)
        if not np.isfinite(squares).all():
            row = int(np.flatnonzero(~np.isfinite(squares))[0])
            raise EvidenceError(
                f"features must be finite and of moderate size, and those of candidate {row}"
                " (counted from 0) are not. Did the network diverge?"
            )
        return cls(values, squares)

    def take(self, rows: Integers) -> Points:
        """Some of the points, read into memory."""
        return Points(np.asarray(self.values[rows], dtype=self.squares.dtype), self.squares[rows])

    def blocks(self) -> Iterator[tuple[slice, Points]]:
        """All points in turn, each block read into memory."""
        for rows in _slices(len(self.values)):
            yield (
                rows,
                Points(np.asarray(self.values[rows], dtype=self.squares.dtype), self.squares[rows]),
            )

    def square_distances(self, others: Points) -> Floats:
        """From each of these points to each of the others, shape (N, M); both lie in memory."""
        products = self.values @ others.values.T
        found = self.squares[:, None] - 2 * products + others.squares
        return np.maximum(found, 0)  # rounding can leave -1e-6


def _precision(values: npt.NDArray[Any]) -> type[np.floating[Any]]:
    return np.float64 if values.dtype == np.float64 else np.float32


def _slices(count: int) -> Iterator[slice]:
    for start in range(0, count, ROWS):
        yield slice(start, min(start + ROWS, count))
