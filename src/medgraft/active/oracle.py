"""A pool whose labels are hidden: each is told when it is bought, and not before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from medgraft.active.evidence import Bools, Integers
from medgraft.errors import TableError
from medgraft.index import Index
from medgraft.index.split import check_split
from medgraft.index.target import Target
from medgraft.prepare.store import Store
from medgraft.runs import RunFolder
from medgraft.train.data import Data, steps_of
from medgraft.train.donor import check_donor
from medgraft.train.recipe import Recipe

Lookup = Callable[[Integers], np.ndarray]


class Oracle:
    """Whoever knows the labels of the pool, and is asked about each candidate once.

    Args:
        lookup: From places (n,) to their truth (n, K): 1, 0 or NaN.
        images: How many places there are.
    """

    def __init__(self, lookup: Lookup, images: int) -> None:
        self._lookup = lookup
        self._told: Bools = np.zeros(images, dtype=np.bool_)

    def buy(self, places: Integers) -> np.ndarray:
        """The truth of some images, shape (n, K); from now on they are known."""
        assert not self._told[places].any(), "an image is bought once"
        self._told[places] = True
        return self._lookup(places)

    @property
    def told(self) -> Integers:
        """Places of all images whose labels were told, ascending."""
        return np.flatnonzero(self._told)


@dataclass(frozen=True)
class Hidden:
    """An index whose training part is a pool of images without labels.

    Attributes:
        data: What a model may know: images, and the labels of the validation part alone.
        truth: The same rows with all their labels; read by the oracle, and when all is over.
        pool: Places of the images that can be bought, shape (M,).
    """

    data: Data
    truth: pl.DataFrame
    pool: Integers

    def oracle(self) -> Oracle:
        """A new one, who has not told anything."""
        return Oracle(self._look, len(self.truth))

    def _look(self, places: Integers) -> np.ndarray:
        found = self.data.target.matrix(self.truth[places])
        return np.where(found < 0, np.nan, found)


def hide(index: Index, recipe: Recipe, cache: Path) -> Hidden:
    """Open an index as a pool: labels are hidden before anything else is done with it.

    Which classes there are is read from the validation and test part alone. Training images that nobody
    has labelled, or not surely, cannot be bought in a simulation and are left out: that they
    have no label is looked at, and nothing else.

    Raises:
        TableError: If the index has no split, no labels, or nothing to buy.
        LeakageError: If a patient is in two parts, or the weights have seen test images.
    """
    _check_parts(index)
    check_split(index)
    check_donor(RunFolder(Path(recipe.weights)), index)
    judged = index.with_frame(index.frame.filter(pl.col("split").is_in(["val", "test"])))
    target = Target.of(judged, positive=recipe.positive)
    kept = index.with_frame(index.frame.filter(_usable(index, target)))
    blind = _blinded(kept)
    steps = steps_of(blind, recipe)
    store = Store.open(blind, steps, cache=cache)
    prepared = store.rows >= 0
    data = Data(
        blind.with_frame(blind.frame.filter(pl.Series(prepared))),
        target,
        store,
        store.rows[prepared],
        pl.concat([blind.rejects, store.rejects]),
        steps,
        tuple(store.notes),
    )
    pool = data.places("train")
    if not len(pool):
        raise TableError("the training part must have images with labels to buy, and has none.")
    return Hidden(data, kept.frame.filter(pl.Series(prepared)), pool)


def _check_parts(index: Index) -> None:
    parts = set(index.frame["split"].drop_nulls())
    if not index.labels or not {"train", "test"} <= parts:
        raise TableError(
            "a simulation needs an index with labels and a training and a test part, got"
            f" {'labels' if index.labels else 'no labels'} and"
            f" {', '.join(sorted(parts)) or 'no parts'}. Run `medgraft split INDEX` first."
        )


def _usable(index: Index, target: Target) -> pl.Series:
    """Rows of a part; of the training part only those that somebody has labelled."""
    frame = index.frame
    told = [pl.col(name).is_not_null() for name in target.columns]
    if target.kind == "independent":
        told = [pl.col(name).is_in([0, 1]).fill_null(value=False) for name in target.columns]
    usable = (pl.col("split") != "train") | pl.any_horizontal(told)
    return frame.select((pl.col("split").is_not_null() & usable).alias("usable")).to_series()


def _blinded(index: Index) -> Index:
    """Without the labels of the training and of the test part."""
    shown = pl.col("split") == "val"
    blank = [pl.when(shown).then(pl.col(name)).alias(name) for name in index.labels]
    return index.with_frame(index.frame.with_columns(blank))
