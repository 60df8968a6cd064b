"""How good the masks of a run are on its test images, each on the grid of its own file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from medgraft.errors import ArgumentError, ReadError, ShapeError, TrainingError
from medgraft.evaluate.segmentation import evaluate_segmentation, image_table, judge_image
from medgraft.index import Index
from medgraft.index.masks import MaskClasses, read_mask
from medgraft.train.segmentation.whole import Answers, Refused, Segmented, segmented

UNITS = "Some images say how large a pixel is and some do not, so all distances are in pixels."


@dataclass(frozen=True)
class Judged:
    """The masks of one part of the split.

    Attributes:
        table: Of `image_table`, with `path` and `split`.
        lost: Sentences about files that could be read before and now cannot.
    """

    table: pl.DataFrame
    lost: tuple[str, ...]


def judge_masks(answers: Answers, index: Index, *, split: str = "test") -> Judged:
    """Segment every image of a part that has a mask, and compare on the grid of its file.

    What preparation cut away from an image counts as background, so a crop that loses
    foreground costs Dice.

    Args:
        answers: Networks and preparation.
        index: Images with masks.
        split: Which part.

    Raises:
        TrainingError: If no image of the part can be read any more.
    """
    rows, doubts = _distinct(index.part(split).frame)
    assert index.mask_classes is not None
    found, lost = _rows(answers, index, rows, index.mask_classes, spacing=True)
    if len({row["spacing_known"] for row in found}) > 1:  # lengths of two kinds have no mean
        found, lost = _rows(answers, index, rows, index.mask_classes, spacing=False)
        lost = [*lost, UNITS]
    if not found:
        raise TrainingError(
            f"at least one {split} image must be readable, and none is any more: {lost[0]}"
        )
    about = rows.select("image_id", "path", "split")
    order = {name: place for place, name in enumerate(rows["image_id"])}
    found.sort(key=lambda row: order[row["image_id"]])  # workers answer in any order
    table = image_table(found).join(about, on="image_id", how="left", maintain_order="left")
    return Judged(table, (*doubts, *lost))


def _distinct(frame: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """Rows with a mask, each image once and by a name of its own; sentences about the rest.

    Images that lie in one file have its content in common, and are told apart by their place.
    """
    place = pl.col("path").str.splitn("#", 2).struct.field("field_1").fill_null("")
    masked = frame.filter(pl.col("mask_path").is_not_null()).with_columns(place=place)
    kinds = pl.col("mask_id").n_unique().over("image_id", "place")
    twice = masked.filter(kinds > 1).unique(["image_id", "place"]).height
    rows = masked.unique(["image_id", "place"], keep="first", maintain_order=True)
    longer = pl.concat_str("image_id", "place", separator="#")
    shared = pl.col("image_id").is_duplicated()
    named = pl.when(shared).then(longer).otherwise("image_id").alias("image_id")
    doubts = [f"{twice} images have several masks that differ, and were judged by the first."]
    return rows.with_columns(named), doubts[: bool(twice)]


def _rows(
    answers: Answers,
    index: Index,
    frame: pl.DataFrame,
    classes: MaskClasses,
    *,
    spacing: bool,
) -> tuple[list[dict[str, Any]], list[str]]:
    listed = frame.rows(named=True)
    paths = [index.file(row["path"]) for row in listed]
    rows: list[dict[str, Any]] = []
    lost: list[str] = []
    with segmented(paths, answers, shares=True) as found:
        for one in found:
            row = listed[one.place]
            try:
                rows += _judged(one, row, index, classes, spacing=spacing)
            except ReadError as error:
                lost.append(f"'{row['path']}' could not be judged: {error.reason}.")
            except (ArgumentError, ShapeError) as error:  # the file is not what was indexed
                lost.append(f"'{row['path']}' could not be judged: {error}")
    return rows, lost


def _judged(
    one: Segmented | Refused,
    row: Mapping[str, Any],
    index: Index,
    classes: MaskClasses,
    *,
    spacing: bool,
) -> Iterator[dict[str, Any]]:
    if isinstance(one, Refused):
        raise ReadError(row["path"], one.reason, one.remedy)
    truth = classes.places(read_mask(index.file(row["mask_path"])).array)[0]
    yield from judge_image(
        truth,
        one.mask,
        labels_of(classes),
        image_id=row["image_id"],
        patient_id=row["patient_id"] if index.patients_known else None,
        spacing_mm=one.spacing_mm if spacing else None,
        probability=one.share,
    )


def labels_of(classes: MaskClasses) -> dict[str, int]:
    """Name of each class but the background to its place."""
    return {name: place for place, name in enumerate(classes.names) if place}


def evaluation_of(
    judged: Judged, *, split: str, replicates: int, seed: int, notes: tuple[str, ...] = ()
) -> dict[str, Any]:
    """What ``evaluation.json`` holds."""
    return evaluate_segmentation(
        judged.table,
        split=split,
        replicates=replicates,
        seed=seed,
        notes=[*notes, *judged.lost],
    )


def mean_dice(table: pl.DataFrame) -> dict[str, float]:
    """Mean Dice of each image over its classes: what it is sorted by.

    Examples:
        >>> mean_dice(pl.DataFrame({"image_id": ["a", "a"], "dice": [1.0, 0.5]}))
        {'a': 0.75}
    """
    means = table.group_by("image_id", maintain_order=True).agg(pl.col("dice").mean())
    return dict(zip(means["image_id"], np.asarray(means["dice"]).tolist(), strict=True))
