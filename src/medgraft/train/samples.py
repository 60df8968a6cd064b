"""Generated images that a run learns from beside its own, and training images without their labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from medgraft.errors import ArgumentError, TableError
from medgraft.index import Index
from medgraft.index.generated import GENERATED
from medgraft.index.target import Target
from medgraft.prepare.store import Store
from medgraft.train.batches import Images
from medgraft.train.donor import check_learnt
from medgraft.train.recipe import Recipe
from medgraft.train.supervised import Rows

LEARNT_FROM = "learnt_from.parquet"  # beside samples: index of what their generator has seen
UNKNOWN = "It is not known what the samples were learnt from: if from test images, the result is too good."
DEPTHS = {255: 8, 65535: 16}  # bits of a stored number by the number that stands for 1.0


@dataclass(frozen=True)
class Samples:
    """What a run learns from beside its labelled images.

    Attributes:
        generated: Generated images, with their labels where these are learnt, else NaN.
        unlabelled: All training images; their labels are not looked at. None where the samples are
            learnt with their labels, as if they were real.
        origin_known: Whether it could be checked that their generator has seen no test image.
    """

    generated: Rows
    unlabelled: Rows | None
    origin_known: bool = True

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the report must know."""
        count = f"{len(self.generated.rows):,} generated images"
        if self.unlabelled is None:
            learnt = f"{count} were learnt with their labels, as if they were real"
        else:
            learnt = (
                f"{count} and {len(self.unlabelled.rows):,} training images without their labels were"
                " learnt to be told apart"
            )
        said = (f"{learnt}; none was validated or tested on.",)
        return said if self.origin_known else (*said, UNKNOWN)


def load_samples(
    recipe: Recipe, whole: Index, target: Target, steps: Sequence[str], store: Store, cache: Path
) -> Samples | None:
    """Prepare the samples of a recipe as the images of its index are; None if it names none.

    Args:
        recipe: Names their index, and says what they teach.
        whole: All rows with their split, of whose training part few labels may be used.
        target: What the labels are.
        steps: Preparation steps.
        store: Of the images of the index.
        cache: Folder of all stores.

    Raises:
        LeakageError: If their generator has learnt from test images, or from test patients.
        TableError: If the index of the samples has no images, or lacks labels that are to be learnt.
        ArgumentError: If they come out in another shape than the images.
    """
    if recipe.samples is None:
        return None
    index = Index.load(recipe.samples)
    origin = index.root / LEARNT_FROM
    if known := origin.is_file():
        check_learnt(origin, whole, who=f"the generator of '{recipe.samples}'")
    made = _opened(index, steps, store, cache)
    if recipe.samples_as == "labelled":
        return Samples(_rows(made, _truth(index, target)), None, known)
    training = real_images(whole.part("train"))
    real = _opened(training, steps, store, cache)
    blank = len(target.names)
    return Samples(
        _rows(made, _unknown(len(index), blank)),
        _rows(real, _unknown(len(training), blank)),
        known,
    )


def real_images(index: Index) -> Index:
    """The rows of an index without those that some model generated."""
    if GENERATED not in index.frame.columns:
        return index
    return index.with_frame(index.frame.filter(~pl.col(GENERATED).fill_null(value=False)))


def _opened(index: Index, steps: Sequence[str], store: Store, cache: Path) -> Store:
    """Prepared to the same shape and depth as the images of the run."""
    bits = DEPTHS[store.scale]
    found = Store.open(index, steps, cache=cache, bits=bits)  # type: ignore[arg-type]
    if found.shape != store.shape:
        raise ArgumentError(
            f"samples must come out of preparation as the images of the index do, {store.shape},"
            f" got {found.shape}. Leave --steps out, or name steps that end in one size."
        )
    return found


def _rows(store: Store, targets: np.ndarray) -> Rows:
    kept = store.rows >= 0
    return Rows(store, store.rows[kept], targets[kept])


def _unknown(images: int, labels: int) -> np.ndarray:
    return np.full((images, labels), np.nan, np.float32)


def _truth(index: Index, target: Target) -> np.ndarray:
    truth = target.matrix(index.frame)
    if np.isnan(truth).all():
        raise TableError(
            f"samples that are learnt with their labels must have some in {', '.join(target.columns)},"
            " and have none. Draw them from a generator that knows classes, or pass --samples-as"
            " generated."
        )
    return truth


@dataclass(frozen=True)
class Joined:
    """Images of two stores, one after the other: rows from `start` on are those of the second.

    Attributes:
        first: A store.
        second: Another, of images of the same shape and scale.
        start: How many rows the first has.
    """

    first: Images
    second: Images
    start: int

    @property
    def scale(self) -> int:
        """Stored value of 1.0."""
        return self.first.scale

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """Images at those rows, shape (B, C, *S)."""
        later = rows >= self.start
        if not later.any():
            return self.first.gather(rows)
        found = self.second.gather(rows[later] - self.start)
        images = np.empty((len(rows), *found.shape[1:]), found.dtype)
        images[later] = found
        if not later.all():
            images[~later] = self.first.gather(rows[~later])
        return images


def joined(first: Rows, second: Rows, held: int) -> Rows:
    """Rows of two stores as if they were of one; `held` is how many rows the first store has."""
    return Rows(
        Joined(first.store, second.store, held),
        np.concatenate([first.rows, second.rows + held]),
        np.concatenate([first.targets, second.targets]),
    )
