"""Judge a table of segmented images: what `evaluation.json` holds for a segmentation run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from medgraft.errors import TableError
from medgraft.evaluate import bootstrap, check
from medgraft.evaluate.bootstrap import Rule
from medgraft.evaluate.check import Floats, Units
from medgraft.evaluate.measure import Measured, Writer, mean_over_labels
from medgraft.evaluate.sample import ratio
from medgraft.evaluate.segmentation.image import SCHEMA
from medgraft.evaluate.segmentation.measures import measures
from medgraft.registry import unknown_name


@dataclass(frozen=True)
class Grid:
    """The numbers of a table of segmented images.

    Attributes:
        images: Their ids, N of them, in the order of the table.
        classes: Names, K of them.
        measures: Names, M of them.
        values: Shape (N, K, M), NaN where undefined.
        voxels: True and predicted, shape (N, K, 2).
        units: What is resampled.
        distance_unit: "mm" or "voxel".
        tolerance_mm: Of the surface Dice.
    """

    images: tuple[str, ...]
    classes: tuple[str, ...]
    measures: tuple[str, ...]
    values: Floats
    voxels: check.Integers
    units: Units
    distance_unit: str
    tolerance_mm: float


def evaluate_segmentation(
    table: pl.DataFrame,
    *,
    wanted: Sequence[str] | None = None,
    split: str | None = None,
    replicates: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
    rule: Rule = "linear",
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """Every measure of every class with its interval, and the means over classes.

    Each patient counts once: its value is the mean over those of its images that define the
    measure, and the value of the class is the mean over patients. A patient with forty slices
    weighs no more than one with two. Replicates draw patients.

    Args:
        table: Of `image_table`: one row per image and class.
        wanted: Names of the measures; all that the table holds where None.
        split: Which rows these are, for the record.
        replicates: Bootstrap replicates; 0 gives no intervals.
        seed: Of the replicates.
        confidence: Share of replicates inside an interval.
        rule: How its ends are read off, see `bootstrap.interval`.
        notes: Sentences to keep beside the numbers.

    Returns:
        What `evaluation.json` holds, see docs/reference/segmentation-metrics.md. Masks that do
        not define a measure are left out of its mean and counted in `undefined_masks`.

    Raises:
        TableError: If a row is missing or doubled, or rows of different settings are mixed.
        UnknownNameError: If a measure is not in the table.

    Examples:
        >>> from medgraft.evaluate.segmentation import image_table, judge_image
        >>> masks = {"a": [[1, 1, 0]], "b": [[1, 0, 0]], "c": [[0, 0, 0]]}
        >>> table = image_table(
        ...     row for name, mask in masks.items()
        ...     for row in judge_image([[1, 1, 0]], mask, {"cell": 1}, image_id=name))
        >>> found = evaluate_segmentation(table, replicates=0)
        >>> round(found["classes"]["cell"]["dice"]["value"], 4)
        0.5556
        >>> found["classes"]["cell"]["hd95"]["reason"]
        'left out 1 of 3 masks, where hd95 is undefined'
    """
    grid = read_table(table, wanted)
    return {
        **_record(grid, split, replicates, confidence, seed),
        **written(grid, grid.values, Writer(grid.units, confidence, rule), replicates, seed),
        "empty": _empty(grid),
        "notes": list(notes),
    }


def paired_segmentation(
    first: pl.DataFrame,
    second: pl.DataFrame,
    *,
    wanted: Sequence[str] | None = None,
    split: str | None = None,
    replicates: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
    rule: Rule = "linear",
) -> dict[str, Any]:
    """Every measure of the second run minus that of the first on the same images.

    The difference is taken image by image, where both runs define the measure, then averaged
    and resampled as in `evaluate_segmentation`.

    Args:
        first: Table of the first run.
        second: Table of the second run, of the same images in any order.
        wanted: As for `evaluate_segmentation`; where None all that both hold.
        split: For the record.
        replicates: Bootstrap replicates.
        seed: Of the replicates.
        confidence: Share of replicates inside an interval.
        rule: How its ends are read off.

    Returns:
        `metrics` and `classes` as in `evaluation.json`; each entry holds the difference and also
        `excludes_zero`: whether the whole interval lies on one side (None without one).

    Raises:
        TableError: If the runs were not judged on the same masks with the same settings.
    """
    if wanted is None:
        wanted = [n for n in measures.names() if n in first.columns and n in second.columns]
    one = read_table(first, wanted)
    other = read_like(one, second)
    found = written(
        one, other.values - one.values, Writer(one.units, confidence, rule), replicates, seed
    )
    for entries in (found["metrics"], *found["classes"].values()):
        for entry in entries.values():
            low, high = entry["low"], entry["high"]
            entry["excludes_zero"] = None if low is None else bool(low > 0 or high < 0)
    return {**_record(one, split, replicates, confidence, seed), **found}


def read_table(table: pl.DataFrame, wanted: Sequence[str] | None = None) -> Grid:
    """The table as arrays, images and classes in the order in which they first appear.

    Raises:
        TableError: If a column, an image's class or a patient is missing or doubled, or rows of
            different tolerance, unit or patient are mixed.
    """
    if missing := [name for name in SCHEMA if name not in table.columns]:
        raise TableError(
            f"a table of segmented images must have the columns {', '.join(SCHEMA)};"
            f" missing: {', '.join(missing)}"
        )
    names = _measures_of(table, wanted)
    images = table["image_id"].unique(maintain_order=True).to_list()
    classes = table["class"].unique(maintain_order=True).to_list()
    _complete(table, len(images) * len(classes))
    for name, word in (("tolerance_mm", "tolerance"), ("spacing_known", "unit of distance")):
        if table[name].n_unique() != 1:
            raise TableError(
                f"all rows must have one {word}, got {name} = {table[name].unique().to_list()[:5]}."
                " Judge them apart."
            )
    rows, columns = (
        _places(table[name], known) for name, known in (("image_id", images), ("class", classes))
    )
    values = np.full((len(images), len(classes), len(names)), np.nan)
    values[rows, columns] = table.select(names).cast(pl.Float64).fill_null(float("nan")).to_numpy()
    voxels = np.zeros((len(images), len(classes), 2), dtype=np.int64)
    voxels[rows, columns] = table.select("truth_voxels", "predicted_voxels").to_numpy()
    return Grid(
        tuple(images),
        tuple(classes),
        tuple(names),
        values,
        voxels,
        _units(table, len(images)),
        "mm" if table["spacing_known"][0] else "voxel",
        float(table["tolerance_mm"][0]),
    )


def read_like(first: Grid, table: pl.DataFrame) -> Grid:
    """Another run on the same masks, its images and classes in the order of the first.

    Raises:
        TableError: If the runs were not judged on the same masks with the same settings.
    """
    other = read_table(_as_in(table, first), first.measures)
    _same_masks(first, other)
    return other


def _places(column: pl.Series, known: Sequence[str]) -> check.Integers:
    place = {name: number for number, name in enumerate(known)}
    return np.array([place[name] for name in column], dtype=np.int64)


def measured(
    grid: Grid, values: Floats, *, replicates: int, seed: int
) -> tuple[dict[str, Measured], dict[str, dict[str, Measured]]]:
    """Means over patients with their replicates: over all classes, and of each class.

    Args:
        grid: Whose images, classes and measures these are.
        values: Shape (N, K, M), NaN where undefined.
        replicates: Bootstrap replicates; all calls with the same patients draw the same ones.
        seed: Of the replicates.
    """
    images, classes, kinds = values.shape
    of_patients = by_unit(values.reshape(images, -1), grid.units)
    drawn = bootstrap.means(of_patients, replicates=replicates, seed=seed)
    value = bootstrap.mean_of_defined(of_patients).reshape(classes, kinds)
    drawn = drawn.reshape(-1, classes, kinds)
    undefined = np.isnan(values).sum(axis=0)
    tables = {
        name: {
            kind: Measured(
                float(value[k, m]), drawn[:, k, m], _left_out(kind, int(undefined[k, m]), images)
            )
            for m, kind in enumerate(grid.measures)
        }
        for k, name in enumerate(grid.classes)
    }
    together = {
        kind: mean_over_labels({name: table[kind] for name, table in tables.items()})
        for kind in grid.measures
    }
    return together, tables


def written(
    grid: Grid, values: Floats, write: Writer, replicates: int, seed: int
) -> dict[str, Any]:
    """`metrics` and `classes` of these values, shape (N, K, M)."""
    together, tables = measured(grid, values, replicates=replicates, seed=seed)
    undefined = np.isnan(values).sum(axis=0)
    return {
        "metrics": _entries(grid, together, undefined.sum(axis=0), write),
        "classes": {
            name: _entries(grid, table, undefined[k], write)
            for k, (name, table) in enumerate(tables.items())
        },
    }


def by_unit(values: Floats, units: Units) -> Floats:
    """Mean over the images of each patient that define a column, shape (P, F), NaN where none.

    Examples:
        >>> units = check.units(["ann", "ann", "bob"], 3)
        >>> by_unit(np.array([[1.0], [0.0], [np.nan]]), units)
        array([[0.5],
               [nan]])
    """
    defined = ~np.isnan(values)
    sums, counts = (
        np.stack(
            [np.bincount(units.of_row, weights=w, minlength=units.count) for w in columns.T], axis=1
        ).astype(float)
        for columns in (np.where(defined, values, 0.0), defined.astype(float))
    )
    return ratio(sums, counts)


def _entries(
    grid: Grid, table: dict[str, Measured], undefined: Any, write: Writer
) -> dict[str, Any]:
    entries = write.entries(table)
    for kind, count in zip(grid.measures, undefined, strict=True):
        if count:
            entries[kind]["undefined_masks"] = int(count)
    return entries


def _left_out(kind: str, undefined: int, images: int) -> str:
    return f"left out {undefined} of {images} masks, where {kind} is undefined" if undefined else ""


def _record(
    grid: Grid, split: str | None, replicates: int, confidence: float, seed: int
) -> dict[str, Any]:
    return {
        "split": split,
        "n_images": len(grid.images),
        "n_patients": grid.units.count if grid.units.name == "patient" else None,
        "replicates": replicates,
        "unit": grid.units.name,
        "confidence": confidence,
        "seed": seed,
        "kind": "segmentation",
        "names": list(grid.classes),
        "distance_unit": grid.distance_unit,
        "tolerance_mm": grid.tolerance_mm,
    }


def _empty(grid: Grid) -> dict[str, dict[str, int]]:
    there, called = (grid.voxels[:, :, n] > 0 for n in (0, 1))
    return {
        name: {
            "both": int((~there & ~called)[:, k].sum()),
            "false_alarm": int((~there & called)[:, k].sum()),
            "missed": int((there & ~called)[:, k].sum()),
        }
        for k, name in enumerate(grid.classes)
    }


def _measures_of(table: pl.DataFrame, wanted: Sequence[str] | None) -> list[str]:
    held = [name for name in measures.names() if name in table.columns]
    for name in wanted or ():
        if name not in held:
            raise unknown_name("measure in the table", name, held)
    return list(wanted) if wanted else held


def _complete(table: pl.DataFrame, expected: int) -> None:
    if not len(table):
        raise TableError("a table of segmented images must have rows, got none")
    for name in ("image_id", "class"):
        if table[name].null_count():
            raise TableError(
                f"column {name!r} must not be blank, got {table[name].null_count()} blanks"
            )
    keys = table.select("image_id", "class")
    if (doubled := keys.is_duplicated()).any():
        raise TableError(
            f"each image must have one row per class, got several of {keys.filter(doubled).row(0)}"
        )
    if len(table) != expected:
        counts = table["image_id"].value_counts().sort("count", "image_id")
        raise TableError(
            f"each image must have a row for every class, {expected} in all, got {len(table)};"
            f" image {counts['image_id'][0]!r} has {counts['count'][0]}"
        )


def _units(table: pl.DataFrame, images: int) -> Units:
    of_image = table.group_by("image_id", maintain_order=True).agg(
        pl.col("patient_id").first(), pl.col("patient_id").n_unique().alias("patients")
    )
    if (several := of_image.filter(pl.col("patients") > 1)).height:
        raise TableError(
            f"image {several['image_id'][0]!r} must belong to one patient, got several"
        )
    patients = of_image["patient_id"]
    return check.units(None if patients.null_count() == images else patients.to_list(), images)


def _as_in(table: pl.DataFrame, other: Grid) -> pl.DataFrame:
    """The rows in the order of the other table; both must hold the same images and classes."""
    for column, names in (("image_id", other.images), ("class", other.classes)):
        known = set(table[column].to_list()) if column in table.columns else set()
        if different := known ^ set(names):
            raise TableError(
                f"both runs must be judged on the same rows, but {len(different)} of {column} are"
                f" only in one: {', '.join(sorted(map(str, different))[:5])}"
            )
    order = np.lexsort(
        (_places(table["class"], other.classes), _places(table["image_id"], other.images))
    )
    ordered: pl.DataFrame = table[order.tolist()]
    return ordered


def _same_masks(one: Grid, other: Grid) -> None:
    if (one.distance_unit, one.tolerance_mm) != (other.distance_unit, other.tolerance_mm):
        raise TableError(
            "both runs must be judged with one unit and tolerance, got"
            f" {one.distance_unit}, {one.tolerance_mm} and {other.distance_unit}, {other.tolerance_mm}"
        )
    differ = (one.voxels[..., 0] != other.voxels[..., 0]).any(axis=1)
    if differ.any():
        raise TableError(
            f"both runs must be judged against the same masks, but {int(differ.sum())} images have true"
            f" masks of different size, such as {one.images[int(np.argmax(differ))]!r}"
        )
    if not np.array_equal(one.units.of_row, other.units.of_row):
        raise TableError("both runs must give each image the same patient, but they differ")
