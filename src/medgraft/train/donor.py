"""Weights of an earlier run: they must not have learnt from what the new run is judged on."""

from __future__ import annotations

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
    if not donor.index.is_file():
        return
    theirs = pl.read_parquet(donor.index, columns=["image_id", "patient_id", "split"])
    seen = theirs.filter(pl.col("split").is_in(["train", "val"]))
    judged = index.frame.filter(pl.col("split") == "test")
    _refuse(judged, seen, "image_id", "images", donor)
    if same_archive or set(theirs["image_id"]) & set(index.frame["image_id"]):
        _refuse(judged, seen, "patient_id", "patients", donor)


def _refuse(
    judged: pl.DataFrame, seen: pl.DataFrame, column: str, what: str, donor: RunFolder
) -> None:
    tested = set(judged[column].drop_nulls())
    both = sorted(tested & set(seen[column].drop_nulls()))
    if both:
        shown = ", ".join(name[:16] for name in both[:SHOWN])
        raise LeakageError(
            f"weights must not have learnt from what they are judged on, but '{donor.path}' was"
            f" trained or chosen on {len(both)} of the {len(tested)} {what} of this test part:"
            f" {shown}. Take an index with the split of that run, or other weights.",
            both,
        )
