"""What the current model says of the candidates of a pool."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from medgraft.errors import EvidenceError, ShapeError

Floats = npt.NDArray[np.floating[Any]]
Doubles = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]

BLOCK = 2**18  # numbers in the working copy of a block: 2 MiB as float64, which fits a cache
SUM = 0.01  # how far from one a softmax may sum: half precision, or a table of two decimals


@dataclass(frozen=True)
class Evidence:
    """What the current model says of N candidates, each bought as a whole.

    A candidate is one image, or a group of frames or patches that get one label together. Its
    views are the answers that the model gave for it: of its frames, of augmented copies, or of
    stochastic passes. Arrays may be of any precision and may be memory maps: they are read in
    blocks and never copied as a whole.

    Attributes:
        probabilities: Shape (N, V, K): V views (1 if there is one answer) of K classes, each in
            [0, 1]. Exclusive classes sum to one over the last axis (softmax).
        independent: The K labels are independent (sigmoid), and need not sum to one.
        counts: How many views each candidate has, shape (N,), each in [1, V]; None where all have
            V. What stands beyond the count of a candidate is not read.
        features: Embeddings of the candidates, shape (N, D), or None.
        labelled: Embeddings of what is labelled already, shape (L, D), or None.
        progress: How far the campaign has come, from 0 in its first round to 1 in its last.

    Raises:
        ShapeError: If shapes do not fit together.
        EvidenceError: If a probability is not one.

    Examples:
        >>> Evidence(np.array([[[0.2, 0.8]], [[0.5, 0.5]]])).candidates
        2
    """

    probabilities: Floats
    independent: bool = False
    counts: npt.NDArray[np.integer[Any]] | None = None
    features: Floats | None = None
    labelled: Floats | None = None
    progress: float = 0.0

    def __post_init__(self) -> None:
        self._check_shapes()
        for rows, block, present in self.blocks():
            _check_probabilities(block, present, rows.start, independent=self.independent)

    @property
    def candidates(self) -> int:
        """How many candidates there are, N."""
        return int(self.probabilities.shape[0])

    @property
    def views(self) -> Integers:
        """How many views each candidate has, shape (N,)."""
        if self.counts is None:
            return np.full(self.candidates, self.probabilities.shape[1], dtype=np.int64)
        return np.asarray(self.counts, dtype=np.int64)

    def needed_features(self, what: str) -> Floats:
        """The features.

        Raises:
            EvidenceError: If there are none; `what` is the name of the acquisition.
        """
        if self.features is None:
            raise EvidenceError(
                f"{what} needs features of the candidates, shape (N, D), got none."
                " Pass features=..., or use an acquisition of probabilities alone."
            )
        return self.features

    def require_views(self, least: int, what: str) -> None:
        """Refuse a pool in which no candidate has so many views.

        Raises:
            EvidenceError: If none has; `what` is the name of the acquisition.
        """
        most = int(self.views.max())
        if most < least:
            raise EvidenceError(
                f"{what} needs candidates with at least {least} views, got {most}: one answer cannot"
                " disagree with itself. Ask for more views or passes, or use another acquisition."
            )

    def blocks(self) -> Iterator[tuple[slice, Doubles, Bools]]:
        """The candidates in turn: rows, probabilities (n, V, K) and which are present (n, V).

        The arrays are working copies; absent views hold nought.
        """
        views, classes = self.probabilities.shape[1:]
        step = max(1, BLOCK // (views * classes))
        for start in range(0, self.candidates, step):
            rows = slice(start, min(start + step, self.candidates))
            block = self.probabilities[rows].astype(np.float64)
            present = np.ones(block.shape[:2], dtype=np.bool_)
            if self.counts is not None:
                present = np.arange(views) < np.asarray(self.counts[rows])[:, None]
                block[~present] = 0.0
            yield rows, block, present

    def score(self, formula: Callable[[Doubles, Bools], Doubles]) -> Doubles:
        """A score per candidate, shape (N,), from a formula that judges blocks of them.

        Args:
            formula: From probabilities (n, V, K) and which views are present (n, V) to scores
                (n,). Of independent labels it is asked once per label, as a question of two
                classes (no, yes), and the answers are added.
        """
        scores = np.empty(self.candidates)
        for rows, block, present in self.blocks():
            if self.independent:
                labels = np.moveaxis(np.stack([1 - block, block]), 0, -1)  # (n, V, K, 2)
                asked = range(labels.shape[2])
                scores[rows] = sum(formula(labels[:, :, label], present) for label in asked)
            else:
                scores[rows] = formula(block, present)
        return scores

    def _check_shapes(self) -> None:
        shape = self.probabilities.shape
        if len(shape) != 3 or 0 in shape:
            raise ShapeError(
                f"probabilities must have shape (N, V, K) with none of them 0, got {shape}"
            )
        if shape[2] == 1 and not self.independent:
            raise ShapeError(
                "exclusive classes must be at least 2 (K), got 1. The probability of one label,"
                " there or not, is independent=True."
            )
        if self.counts is not None:
            self._check_counts()
        if self.features is not None and (
            self.features.ndim != 2 or len(self.features) != self.candidates
        ):
            raise ShapeError(
                f"features must have shape ({self.candidates}, D), got {self.features.shape}"
            )
        if self.labelled is not None:
            self._check_labelled(self.labelled)
        if not 0 <= self.progress <= 1:
            raise EvidenceError(f"progress must be in [0, 1], got {self.progress}")

    def _check_counts(self) -> None:
        counts = np.asarray(self.counts)
        if counts.shape != (self.candidates,) or counts.dtype.kind not in "iu":
            raise ShapeError(
                f"counts must be whole numbers of shape ({self.candidates},),"
                f" got {counts.dtype} of shape {counts.shape}"
            )
        most = self.probabilities.shape[1]
        if counts.min() < 1 or counts.max() > most:
            raise EvidenceError(
                f"counts must be in [1, {most}], got {counts.min()} to {counts.max()}"
            )

    def _check_labelled(self, labelled: Floats) -> None:
        if self.features is None:
            raise EvidenceError("labelled needs features of the candidates as well, got none")
        if labelled.ndim != 2 or labelled.shape[1] != self.features.shape[1]:
            raise ShapeError(
                f"labelled must have shape (L, {self.features.shape[1]}) like the features,"
                f" got {labelled.shape}"
            )


def _check_probabilities(block: Doubles, present: Bools, start: int, *, independent: bool) -> None:
    if not (block.min() >= 0 and block.max() <= 1):  # not, so that NaN is caught as well
        wrong = ~((block >= 0) & (block <= 1))
        row, *_ = np.argwhere(wrong)[0]
        raise EvidenceError(
            f"probabilities must be in [0, 1], got {block[wrong][0]:.4g} for candidate {start + row}"
            " (counted from 0). Were logits passed? Apply softmax or sigmoid first."
        )
    if independent:
        return
    away = np.where(present, np.abs(block.sum(axis=2) - 1), 0)
    if away.max() > SUM:
        row = int(away.max(axis=1).argmax())
        total = block[row, away[row].argmax()].sum()
        raise EvidenceError(
            f"exclusive classes must sum to 1 (within {SUM}), got {total:.4g} for candidate"
            f" {start + row} (counted from 0). If labels may hold together, say so: independent=True, or"
            " --independent."
        )
