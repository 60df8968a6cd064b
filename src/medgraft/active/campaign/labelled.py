"""The index of what is labelled so far: by the readers, and by those who labelled before them."""

from __future__ import annotations

import polars as pl

from medgraft.index import Index
from medgraft.ledger.standing import SETTLED

LABEL = "label"  # column of the class of an exclusive campaign


def labelled(index: Index, said: pl.DataFrame) -> Index:
    """The rows of an index that have a label, with what the readers say above what was known.

    Args:
        index: Of the campaign; its labels are those that were known when it began.
        said: Labels of the ledger, as `Ledger.labels` gives them.

    Returns:
        An index to train on, with the split of the campaign.
    """
    settled = said.filter(pl.col("status").is_in(SETTLED)).select(
        "image_id", *(pl.col(name).alias(f"said {name}") for name in index.labels)
    )
    joined = index.frame.join(settled, on="image_id", how="left", maintain_order="left")
    told = [pl.coalesce(f"said {name}", name).alias(name) for name in index.labels]
    frame = joined.with_columns(told).drop(f"said {name}" for name in index.labels)
    return index.with_frame(known_labels(index.with_frame(frame)))


def known_labels(index: Index) -> pl.DataFrame:
    """The rows of an index that have all of its labels."""
    return index.frame.filter(pl.all_horizontal(pl.col(index.labels).is_not_null()))


def why_not(found: Index) -> str | None:
    """Why a model cannot be trained on these labels yet; None if it can."""
    train, test = found.part("train").frame, found.part("test").frame
    if not any(train[name].n_unique() > 1 for name in found.labels):
        return "the labels so far are all of one class"
    return None if test.height else "no image of the test part has a label yet"
