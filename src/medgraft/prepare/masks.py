"""Masks of an array store: class by pixel, on the grid of the prepared images."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

from medgraft.errors import ArgumentError, ReadError
from medgraft.index.masks import UNLABELLED, MaskClasses, check_grid, read_mask
from medgraft.prepare.answers import Answer, guarded, reject_of
from medgraft.prepare.geometry import prepare_mask, prepare_placed
from medgraft.prepare.pipeline import load_scan, pipeline
from medgraft.prepare.steps import Step
from medgraft.prepare.upkeep import Held
from medgraft.read.quiet import quiet
from medgraft.worker import Work


@dataclass(frozen=True, eq=False)
class Masks:
    """Prepared masks, by row of the store they belong to.

    Attributes:
        classes: What their numbers are places in.
        labelled: bool (rows,): whether a row has a mask.
        shape: Shape of one mask, (1, *S).
        array: All masks, (rows, 1, *S), if they fit in the memory allowed; else None.
    """

    classes: MaskClasses
    labelled: np.ndarray
    shape: tuple[int, ...]
    array: np.ndarray | None
    _shards: tuple[np.ndarray, ...]
    _places: np.ndarray  # (rows, 2): number of the shard, place in it; -1 without a mask

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """Copies of masks, uint8 (B, 1, *S); `UNLABELLED` everywhere where there is none."""
        if self.array is not None:
            return self.array.take(rows, axis=0)
        result = np.full((len(rows), *self.shape), UNLABELLED, np.uint8)
        places = self._places[rows]
        for number in np.unique(places[self.labelled[rows], 0]):
            here = np.flatnonzero(places[:, 0] == number)
            result[here] = self._shards[number][places[here, 1]]
        return result

    def one(self, row: int) -> np.ndarray:
        """One mask, (1, *S), not copied and not to be written to."""
        if not self.labelled[row]:
            return np.broadcast_to(np.uint8(UNLABELLED), self.shape)
        if self.array is None:
            shard, place = self._places[row]
            found: np.ndarray = self._shards[shard][place]
            return found
        view: np.ndarray = self.array[row]
        view.flags.writeable = False
        return view


def assembled(
    held: Held,
    keys: Sequence[str | None],
    shape: tuple[int, ...],
    classes: MaskClasses,
    limit: float,
) -> Masks:
    """The masks of the rows of a store.

    Args:
        held: What the folder of masks holds.
        keys: For each row of the store the key of its mask, or None.
        shape: Spatial shape of the images.
        classes: The classes.
        limit: Keep the masks in memory if they take no more bytes.
    """
    places = np.array(
        [held.places.get(key, (-1, -1)) if key else (-1, -1) for key in keys], dtype=np.int64
    ).reshape(-1, 2)
    masks = Masks(
        classes=classes,
        labelled=places[:, 0] >= 0,
        shape=(1, *shape),
        array=None,
        _shards=tuple(shard.images() for shard in held.shards),
        _places=places,
    )
    if len(keys) * math.prod(shape) > limit:
        return masks
    return replace(masks, array=masks.gather(np.arange(len(keys))), _shards=())


@contextmanager
def preparing(specs: Sequence[str], classes: str) -> Iterator[Work]:
    """Work for `medgraft.pool.spread`: from an image and its mask to the prepared mask.

    Raises:
        ArgumentError: If the steps or the classes are wrong.
    """
    chain, known = pipeline(specs), MaskClasses.parse(classes)
    with quiet():
        yield lambda pair: answer(pair[0], pair[1], chain, known)


def answer(path: str, mask: str, chain: Sequence[Step], classes: MaskClasses) -> Answer:
    """Prepare one mask as its image is prepared; whatever is wrong with it becomes a reject.

    Returns:
        ``{"bits": 8}`` and places of classes, uint8 (1, *S); or a reject as of images.
    """

    def made() -> Answer:
        image = load_scan(path, chain)
        try:
            drawn = read_mask(mask)
            check_grid(image, drawn)
            places = classes.places(drawn.array)
        except ReadError as error:
            said = ReadError(
                mask, f"its mask '{mask}' cannot be used: {error.reason}", error.remedy
            )
            said.__cause__ = error.__cause__
            return reject_of(said, mask)
        except ArgumentError as error:  # it holds numbers of no class
            remedy = "Mend the mask, or name the class too."
            return reject_of(ReadError(mask, f"{error} ('{mask}')", remedy), mask)
        return {"bits": 8}, prepare_mask(places, prepare_placed(image, chain)[1])

    return guarded(path, made)
