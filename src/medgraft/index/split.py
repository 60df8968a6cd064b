"""Divide an index so that no patient, group or image is in two parts."""

from __future__ import annotations

import numpy as np
import polars as pl

from medgraft.errors import ArgumentError, LeakageError, TableError
from medgraft.index.stratify import stratify
from medgraft.index.table import PARTS, Index
from medgraft.index.target import Target
from medgraft.index.units import TIES, units

NAMES = {"patient_id": "patient", "group": "group", "image_id": "image"}
SHOWN = 5


def split(index: Index, *, test: float = 0.2, val: float = 0.1, seed: int = 0) -> Index:
    """The index with its column `split` filled.

    Units (see `units`) are kept whole and labels are spread evenly, as are images without a
    label. The shares are of images, reached as nearly as whole units allow. The order of the
    rows does not matter.

    Args:
        index: The index; a split that it has is replaced.
        test: Share of the images for the test part, in (0, 1).
        val: Share for the validation part, in [0, 1).
        seed: Another seed gives another split.

    Raises:
        ArgumentError: If the shares leave nothing for training.
        TableError: If there are fewer units than parts, or only one class.
    """
    shares = _shares(test, val)
    part = _divide(index, np.array(list(shares.values())), list(shares), seed)
    names = np.array(list(shares))[part]
    return index.with_frame(index.frame.with_columns(pl.Series("split", names, dtype=pl.String)))


def folds(index: Index, *, count: int = 5, seed: int = 0) -> Index:
    """The index with a column `fold` of 0 to `count` - 1, for cross-validation.

    Raises:
        ArgumentError: If `count` is less than 2.
        TableError: If there are fewer units than folds, or only one class.
    """
    if count < 2:
        raise ArgumentError(f"--folds must be at least 2, got {count}.")
    names = [f"fold {k}" for k in range(count)]
    part = _divide(index, np.full(count, 1 / count), names, seed)
    return index.with_frame(index.frame.with_columns(pl.Series("fold", part, dtype=pl.Int64)))


def use_fold(index: Index, fold: int) -> Index:
    """The index with `split` filled from its folds: this one tests, the next one validates.

    Raises:
        TableError: If the index has no folds.
        ArgumentError: If it has no such fold.
    """
    if "fold" not in index.frame.columns:
        raise TableError("the index must have folds, and has none. Make them with --folds 5.")
    count = int(index.frame["fold"].cast(pl.Int64).max() or 0) + 1  # type: ignore[arg-type]
    if not 0 <= fold < count:
        raise ArgumentError(f"--fold must be in [0, {count - 1}], got {fold}.")
    if count < 3:
        raise ArgumentError(
            f"--fold needs at least 3 folds to train, validate and test, got {count}."
        )
    column = pl.col("fold")
    part = (
        pl.when(column == fold)
        .then(pl.lit("test"))
        .when(column == (fold + 1) % count)
        .then(pl.lit("val"))
        .otherwise(pl.lit("train"))
    )
    return index.with_frame(index.frame.with_columns(part.alias("split")))


def adopt(index: Index) -> Index:
    """The index with the split that the data came with (`orig_split`), checked.

    Raises:
        TableError: If the data came without one.
        LeakageError: If it puts a patient, group or image into two parts.
    """
    if "orig_split" not in index.frame.columns:
        raise TableError(
            "the data must come with a split to adopt (folders train/val/test, arrays"
            " train_images/..., or --split COLUMN), and did not. Run"
            " `medgraft split INDEX` without --original."
        )
    taken = index.with_frame(index.frame.with_columns(pl.col("orig_split").alias("split")))
    check_split(taken)
    return taken


def check_split(index: Index) -> None:
    """Refuse a split that would let a network see in training what it is tested on.

    Raises:
        LeakageError: If a patient, a group, or the same image content is in two parts. Its
            `offenders` are all of them; the message names the first.
    """
    for tie in TIES:
        leaks = leaked(index.frame, tie)
        if leaks.is_empty():
            continue
        ids = leaks[tie].to_list()
        names = _paths(index.frame, ids[:SHOWN]) if tie == "image_id" else ids[:SHOWN]
        shown = ", ".join(names) + (", ..." if len(ids) > SHOWN else "")
        parts = " and ".join(leaks["parts"][0])
        what = NAMES[tie] + ("s are" if len(ids) > 1 else " is")
        raise LeakageError(
            f"each {NAMES[tie]} must be in one part of the split, but {len(ids)} {what} in two"
            f" (such as {parts}): {shown}. Split again with `medgraft split INDEX --force`.",
            ids,
        )


def _paths(frame: pl.DataFrame, ids: list[str]) -> list[str]:
    """A path of each image: people know files by name, not by hash."""
    known = dict(frame.filter(pl.col("image_id").is_in(ids)).select("image_id", "path").iter_rows())
    return [known[name] for name in ids]


def leaked(frame: pl.DataFrame, tie: str) -> pl.DataFrame:
    """Values of a column that are in two parts: the value and its `parts`, sorted."""
    return (
        frame.filter(pl.col(tie).is_not_null() & pl.col("split").is_not_null())
        .group_by(tie)
        .agg(pl.col("split").unique().sort().alias("parts"))
        .filter(pl.col("parts").list.len() > 1)
        .sort(tie)
    )


def missing_classes(index: Index) -> list[tuple[str, str]]:
    """Pairs (part, class) where a part of the split lacks a class that the index has."""
    if not index.labels:
        return []
    target = Target.of(index)
    truth = target.matrix(index.frame)
    split_of = index.frame["split"].to_numpy()
    return [
        (part, name)
        for part in PARTS
        if (rows := split_of == part).any()
        for k, name in enumerate(target.names)
        if (truth[:, k] == 1).any() and not (truth[rows, k] == 1).any()
    ]


def _shares(test: float, val: float) -> dict[str, float]:
    for name, share in (("--test", test), ("--val", val)):
        if not 0 <= share < 1:
            raise ArgumentError(f"{name} must be a share of the images in [0, 1), got {share}.")
    if test == 0 and val == 0:
        raise ArgumentError("--test and --val must not both be 0: that is no split.")
    if test + val >= 1:
        raise ArgumentError(
            f"--test and --val must leave images to train on: they must sum to less than 1, got"
            f" {test} + {val}."
        )
    shares = {"train": 1 - test - val, "val": val, "test": test}
    return {name: share for name, share in shares.items() if share > 0}


def _divide(index: Index, shares: np.ndarray, names: list[str], seed: int) -> np.ndarray:
    if len(index) == 0:
        raise TableError("the index must have images to split, and has none.")
    unit = units(index.frame)
    count = int(unit.max()) + 1
    if count < len(shares):
        what = "patients or groups" if index.patients_known else "different images"
        raise TableError(
            f"a split must have at least one unit for each of {', '.join(names)}, but the index"
            f" has {count} {what} that can be told apart. Ask for fewer parts, or index more."
        )
    return stratify(unit, _labels(index), shares, seed=seed)


def _labels(index: Index) -> np.ndarray:
    """Which labels each image has, (N, K + 1); to have none is spread like a class of its own."""
    if not index.labels:
        return np.zeros((len(index), 0))
    truth = Target.of(index).matrix(index.frame)
    blank = np.isnan(truth).all(axis=1, keepdims=True)
    return np.concatenate([truth == 1, blank], axis=1).astype(np.float64)
