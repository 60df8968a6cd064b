"""Weights of an earlier run: they must not have learnt from what the new run is judged on."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from medgraft.errors import LeakageError
from medgraft.index import Index
from medgraft.runs import RunFolder

SHOWN = 5
SEEN = ("image_id", "patient_id")  # by which two indexes know the same image or person


def check_donor(donor: RunFolder, index: Index, *, same_archive: bool = False) -> None:
    """Refuse weights that have seen test images, or other images of test patients.

    Unless both are known to be of one archive, patients are compared only where they share
    images: the same id in two archives names two people.

    Raises:
        LeakageError: With the images or patients in question.
    """
    if donor.index.is_file():
        check_learnt(donor.index, index, who=f"'{donor.path}'", same_archive=same_archive)


def check_learnt(rows: Path, index: Index, *, who: str, same_archive: bool = False) -> None:
    """Refuse to be helped by what has seen test images, or other images of test patients.

    Args:
        rows: Index of the images that it was trained or chosen on, with their split.
        index: The rows of a new run.
        who: What has learnt from them, for the message.
        same_archive: As for `check_donor`.

    Raises:
        LeakageError: With the images or patients in question.
    """
    theirs = pl.read_parquet(rows, columns=["image_id", "patient_id", "split"])
    seen = theirs.filter(pl.col("split").is_in(["train", "val"]))
    judged = index.frame.filter(pl.col("split") == "test")
    _refuse(judged, seen, "image_id", "images", who)
    if same_archive or set(theirs["image_id"]) & set(index.frame["image_id"]):
        _refuse(judged, seen, "patient_id", "patients", who)


def _refuse(judged: pl.DataFrame, seen: pl.DataFrame, column: str, what: str, who: str) -> None:
    tested = set(judged[column].drop_nulls())
    both = sorted(tested & set(seen[column].drop_nulls()))
    if both:
        shown = ", ".join(name[:16] for name in both[:SHOWN])
        raise LeakageError(
            f"a run must not be helped by what has seen its test images, but {who} was"
            f" trained or chosen on {len(both)} of the {len(tested)} {what} of this test part:"
            f" {shown}. Take an index with the split of that run, or other weights.",
            both,
        )
