"""The answers that cost a run most: highest cross-entropy of the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from medgraft.errors import TableError

SMALLEST = float(np.finfo(np.float64).tiny)  # a probability of 0 would cost infinitely much


@dataclass(frozen=True)
class Answer:
    """One answer of a run about one image.

    Attributes:
        row: Place of the image in the table.
        label: Place of the class or label: the actual class, or the label that was answered.
        present: Whether the image has it; always so for exclusive classes.
        probability: Of the truth, in [0, 1].
        loss: Minus its natural logarithm, 0 or above.
    """

    row: int
    label: int
    present: bool
    probability: float
    loss: float


def top_losses(
    table: pl.DataFrame, names: Sequence[str], *, kind: str, most: int, label: str | None = None
) -> list[Answer]:
    """The costliest answers, costliest first.

    For exclusive classes each image has one answer. For independent labels it has one per label
    that is known of it, and its truth may be that the label is absent.

    Args:
        table: Columns y_<name> (1, 0, -1 uncertain, null) and p_<name>.
        names: Of the classes or labels.
        kind: "exclusive" or "independent".
        most: How many to return at most.
        label: Only answers about this label, or images of this class; None for all.

    Raises:
        TableError: If nothing is known of any image.
    """
    truth = table.select(pl.col(f"y_{n}").cast(pl.Float64) for n in names)
    y = truth.fill_null(np.nan).to_numpy()
    p = table.select(f"p_{n}" for n in names).to_numpy()
    known = (y == 1) if kind == "exclusive" else (y == 0) | (y == 1)
    if label is not None:
        known = known & (np.array(list(names)) == label)
    rows, labels = np.nonzero(known)
    if not len(rows):
        raise TableError(
            "top losses need images whose truth is known, but none of the"
            f" {len(table)} images has {'a label' if label is None else f'the label {label!r}'}."
            " Choose another --split or --label."
        )
    present = y[rows, labels] == 1
    of_truth = np.where(present, p[rows, labels], 1 - p[rows, labels])
    loss = -np.log(np.maximum(of_truth, SMALLEST))
    order = np.argsort(-loss, kind="stable")[:most]
    return [
        Answer(
            int(rows[i]),
            int(labels[i]),
            bool(present[i]),
            float(of_truth[i]),
            float(loss[i]) + 0.0,  # no minus zero
        )
        for i in order
    ]
