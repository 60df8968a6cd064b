"""Judge one image: every measure of every class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from medgraft.errors import ArgumentError, ShapeError
from medgraft.evaluate.segmentation.measures import Measure, measures
from medgraft.evaluate.segmentation.pair import (
    Pair,
    probabilities,
    same_shape,
    spacing,
    tolerance,
    whole_numbers,
)

SCHEMA: dict[str, Any] = {
    "image_id": pl.String,
    "patient_id": pl.String,
    "class": pl.String,
    "spacing_known": pl.Boolean,
    "tolerance_mm": pl.Float64,
    "truth_voxels": pl.Int64,
    "predicted_voxels": pl.Int64,
}


def judge_image(
    truth: Any,
    prediction: Any,
    labels: Mapping[str, int],
    *,
    image_id: str,
    patient_id: str | None = None,
    spacing_mm: Any = None,
    tolerance_mm: float = 1.0,
    probability: Any = None,
    wanted: Sequence[str] | None = None,
) -> list[dict[str, Any]]:
    """One row per class, for `image_table`.

    Args:
        truth: Mask of labels, shape (*S), 2-D or 3-D, integers.
        prediction: Mask of labels on the same grid.
        labels: Name of each class to its number in the masks; 0 is the background.
        image_id: Which image this is.
        patient_id: Whose it is; None where it is not known.
        spacing_mm: Distance of neighbouring voxels along each axis; None where it is not
            known, and lengths are then in voxels.
        tolerance_mm: Of the surface Dice.
        probability: One map per class in the order of `labels`, shape (K, *S), in [0, 1], for
            the measures that read it; they are left out where it is None.
        wanted: Names of the measures; all where None.

    Returns:
        For each class its name, volumes in voxels, and the measures, None where undefined.

    Raises:
        ShapeError: If shapes do not fit each other.
        ArgumentError: If a mask holds a label that is not in `labels`, or a number is out of
            its range.
        UnknownNameError: If a measure is unknown.

    Examples:
        >>> truth, prediction = [[0, 1, 1, 2]], [[0, 1, 2, 2]]
        >>> rows = judge_image(truth, prediction, {"liver": 1, "tumour": 2}, image_id="a",
        ...                    wanted=["dice", "hd95"])
        >>> [(row["class"], round(row["dice"], 3), round(row["hd95"], 3)) for row in rows]
        [('liver', 0.667, 0.9), ('tumour', 0.667, 0.9)]
    """
    true, predicted = whole_numbers(truth, "truth"), whole_numbers(prediction, "prediction")
    same_shape(true, predicted)
    _declared(labels)
    for mask, what in ((true, "truth"), (predicted, "prediction")):
        _only(mask, labels, what, image_id)
    maps = None if probability is None else _maps(probability, len(labels), true.shape)
    wanted_measures = [
        one
        for one in (measures.get(name) for name in wanted or measures.names())
        if one.reads == "mask" or maps is not None
    ]
    steps, within = spacing(spacing_mm, true.ndim), tolerance(tolerance_mm)
    return [
        {
            "image_id": image_id,
            "patient_id": patient_id,
            "class": name,
            "spacing_known": spacing_mm is not None,
            "tolerance_mm": within,
            **_numbers(
                Pair(
                    true == label,
                    predicted == label,
                    steps,
                    within,
                    None if maps is None else maps[number],
                ),
                wanted_measures,
            ),
        }
        for number, (name, label) in enumerate(labels.items())
    ]


def image_table(rows: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    """The rows of all images as one table: what a report shows, sorts, and compares runs by.

    Args:
        rows: Of `judge_image`, of any number of images.

    Returns:
        Columns `image_id`, `patient_id`, `class`, `spacing_known`, `tolerance_mm`,
        `truth_voxels`, `predicted_voxels`, and one per measure, null where undefined.

    Raises:
        ShapeError: If there are no rows.
    """
    listed = list(rows)
    if not listed:
        raise ShapeError("a table of segmented images must have at least one row, got none")
    found = [name for name in measures.names() if any(name in row for row in listed)]
    return pl.DataFrame(listed, schema=SCHEMA | dict.fromkeys(found, pl.Float64))


def _numbers(both: Pair, wanted: Sequence[Measure]) -> dict[str, Any]:
    return {
        "truth_voxels": both.truth_voxels,
        "predicted_voxels": both.predicted_voxels,
        **{one.name: one.of(both) for one in wanted},
    }


def _declared(labels: Mapping[str, int]) -> None:
    numbers = list(labels.values())
    if not numbers or 0 in numbers or len(set(numbers)) < len(numbers):
        raise ArgumentError(
            "labels must give each class a number of its own that is not 0 (the background),"
            f" got {dict(labels)}"
        )


def _only(mask: Any, labels: Mapping[str, int], what: str, image_id: str) -> None:
    declared = sum(np.count_nonzero(mask == number) for number in labels.values())
    if declared < np.count_nonzero(mask):  # counted, for `unique` would sort the image
        strange = sorted(set(np.unique(mask).tolist()) - {0, *labels.values()})
        raise ArgumentError(
            f"the {what} of image {image_id!r} must hold only 0 and the labels"
            f" {', '.join(f'{number} ({name})' for name, number in labels.items())}, got"
            f" {', '.join(map(str, strange[:5]))}. Declare them, or clean the mask."
        )


def _maps(probability: Any, classes: int, shape: tuple[int, ...]) -> Any:
    return probabilities(probability, (classes, *shape))
