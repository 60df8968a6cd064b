"""Candidates: what is bought as a whole, an image or all images of a group."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import polars as pl

from medgraft.active.evidence import Bools, Integers
from medgraft.errors import ArgumentError
from medgraft.registry import unknown_name


@dataclass(frozen=True)
class Candidates:
    """N candidates and the images of each; memory grows with the images, not with the groups.

    Attributes:
        images: Places of all images, those of a candidate beside each other, shape (M,).
        starts: Where each candidate begins in `images`, and the end, shape (N + 1,).
    """

    images: Integers
    starts: Integers

    @classmethod
    def of(cls, frame: pl.DataFrame, places: Integers, column: str | None = None) -> Candidates:
        """The candidates among some rows of an index.

        Args:
            frame: All rows of the index.
            places: Which of them may be bought, shape (M,).
            column: Rows with one value in it are bought together, such as ``study_id``; a row
                without a value stands alone. None makes every image a candidate.

        Raises:
            UnknownNameError: If there is no such column.

        Examples:
            >>> frame = pl.DataFrame({"video": ["a", "b", None, "a"]})
            >>> grouped = Candidates.of(frame, np.array([0, 1, 2, 3]), "video")
            >>> [grouped.of_these([n]).tolist() for n in range(len(grouped))]
            [[0, 3], [1], [2]]
        """
        if column is None:
            return cls(places, np.arange(len(places) + 1))
        if column not in frame.columns:
            raise unknown_name("column of the index", column, frame.columns)
        names = frame[column].cast(pl.String)[places]
        alone = "\0" + pl.Series(places).cast(pl.String)  # no value of a table begins with NUL
        key = names.zip_with(names.is_not_null(), alone)
        numbered = key.to_frame("key").with_row_index("place")
        numbers = numbered.select(pl.col("place").min().over("key")).to_series().to_numpy()
        order = np.argsort(numbers, kind="stable")
        begins = np.flatnonzero(np.diff(numbers[order], prepend=-1))
        return cls(places[order], np.append(begins, len(places)))

    def beside(self, others: Candidates) -> Candidates:
        """These, and after them some others; images that are in both are in two candidates.

        Examples:
            >>> three = Candidates(np.array([4, 2, 9]), np.array([0, 2, 3]))
            >>> three.beside(Candidates(np.array([7]), np.array([0, 1]))).of_these([1, 2])
            array([9, 7])
        """
        starts = np.concatenate([self.starts, len(self.images) + others.starts[1:]])
        return Candidates(np.concatenate([self.images, others.images]), starts)

    def named(self, ids: pl.Series) -> list[tuple[str, ...]]:
        """Ids of the images of each candidate, from those of all rows of the index."""
        found = ids[self.images].to_list()
        return [tuple(found[begin:end]) for begin, end in itertools.pairwise(self.starts)]

    def any_of(self, holds: Bools) -> Bools:
        """Which candidates have an image of which something holds, shape (N,).

        Args:
            holds: Of each image, in the order of `images`.
        """
        if not len(self):
            return np.zeros(0, np.bool_)
        return np.asarray(np.logical_or.reduceat(holds, self.starts[:-1]))

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def sizes(self) -> Integers:
        """Images of each candidate, shape (N,)."""
        return np.diff(self.starts)

    @property
    def single(self) -> bool:
        """Whether every candidate is one image."""
        return len(self) == len(self.images)

    def of_these(self, chosen: Integers | list[int]) -> Integers:
        """Places of the images of some candidates, in the order of the candidates."""
        numbers = np.asarray(chosen, dtype=np.int64)
        if self.single:
            found: Integers = self.images[numbers]
            return found
        first, sizes = self.starts[numbers], self.sizes[numbers]
        ends = np.cumsum(sizes)
        inside = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - sizes, sizes)
        places: Integers = self.images[np.repeat(first, sizes) + inside]
        return places


def check_batch(candidates: Candidates, batch: int, rounds: int, first: int) -> None:
    """Refuse purchases that are too small to train on, or larger than the pool.

    Raises:
        ArgumentError: With what is too much.
    """
    if batch < 2:
        raise ArgumentError(
            f"--batch must be at least 2, since two images make a batch, got {batch}."
        )
    wanted = first + batch * rounds if first else batch * rounds
    if wanted > len(candidates):
        raise ArgumentError(
            f"all rounds together must not buy more than the {len(candidates):,} candidates of the"
            f" pool, got {wanted:,}. Ask for fewer --rounds or a smaller --batch."
        )


def progress(spent: int, budget: int, batch: int) -> float:
    """How far buying has come, by what is spent: 0 before the first batch, 1 before the last.

    Examples:
        >>> [progress(spent, budget=60, batch=20) for spent in (0, 20, 40, 60)]
        [0.0, 0.5, 1.0, 1.0]
    """
    return min(1.0, spent / max(budget - batch, 1))
