"""What the backbone makes of images, averaged: computed anew for each model, or once for all.

While a model answers nothing learns, so its backbone is passed once per image or view and all
that is repeated, such as dropout passes, is its head.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from medgraft.active.evidence import Floats, Integers
from medgraft.augment import Augmenter
from medgraft.errors import ArgumentError
from medgraft.files import replacing
from medgraft.index import Index
from medgraft.prepare.store import Store
from medgraft.progress import bar
from medgraft.seeds import derive
from medgraft.train.supervised import Predictor, portions

HALF = np.dtype(np.float16)
ROWS = 8192  # of kept maps at a time
MOST = 2**28  # bytes of an array that is held in memory


class Trunk(Protocol):
    """Where the averaged maps of images come from."""

    def maps(self, places: Integers, view: int | None = None) -> Iterator[tuple[slice, Tensor]]:
        """Averaged maps of images in portions, float32, shape (n, D), as the head takes them.

        The portions come in any order.

        Args:
            places: Rows of the index.
            view: Number of the augmented view; None for the images as they are.
        """


class Stored(Protocol):
    """Rows of an index whose images were prepared."""

    @property
    def index(self) -> Index:
        """The rows."""

    @property
    def store(self) -> Store:
        """Where the images lie."""

    @property
    def stored(self) -> Integers:
        """Row of the store of each row of the index, shape (N,)."""


class Elsewhere(Protocol):
    """Other processes, through which images pass."""

    def maps(
        self, passing: Passing, parts: Sequence[slice], places: Integers, view: int | None
    ) -> Iterator[tuple[slice, np.ndarray]]:
        """What `Passing.batch` gives for the images of each part, in any order of the parts."""


@dataclass(frozen=True)
class Passing:
    """Images pass the backbone as it is now.

    What a view shows of an image depends on the seed, the view and the content of the image: not
    on the pool, so that it is the same in every round.

    Attributes:
        predictor: The network.
        data: Where the images are.
        augmenter: Makes views; None if there are none.
        seed: Of the views.
        elsewhere: Where images pass if not here.
    """

    predictor: Predictor
    data: Stored
    augmenter: Augmenter | None
    seed: int
    elsewhere: Elsewhere | None = None

    def maps(self, places: Integers, view: int | None = None) -> Iterator[tuple[slice, Tensor]]:
        """See `Trunk.maps`."""
        self.predictor.network.eval()
        self.predictor.network.freeze_through(self.predictor.network.backbone.names[-1])
        parts = portions(self.data.store, self.data.stored[places])
        if self.elsewhere is None:
            yield from ((part, self.batch(places[part], view)) for part in parts)
            return
        device = self.predictor.placement.device
        for part, maps in self.elsewhere.maps(self, parts, places, view):
            yield part, torch.from_numpy(maps).to(device)

    def batch(self, places: Integers, view: int | None) -> Tensor:
        """Averaged maps of images that pass together, float32, shape (n, D)."""
        store, rows = self.data.store, self.data.stored[places]
        images = self.predictor.placement.images(store.gather(rows), store.scale)
        return self._through(images, None if view is None else self._names(places), view)

    @torch.inference_mode()
    def _through(self, images: Tensor, names: Integers | None, view: int | None) -> Tensor:
        predictor = self.predictor
        if view is not None:
            assert self.augmenter is not None, "checked by check_views"
            seed = derive(self.seed, "look", view)
            draw = self.augmenter.draw(len(images), images.shape[2:], seed, samples=names)
            images = self.augmenter.apply(images, draw)
        with torch.autocast(images.device.type, dtype=torch.bfloat16, enabled=predictor.autocast):
            maps: Tensor = predictor.network.prefix(predictor.normalise(images))
        return maps.float()

    def _names(self, places: Integers) -> Integers:
        """A number for each image, from its content."""
        ids = self.data.index.frame["image_id"][places]
        return np.array([derive(0, name) for name in ids], dtype=np.int64)


def check_views(augmenter: Augmenter | None) -> None:
    """Refuse augmentations that make no views of one image.

    Raises:
        ArgumentError: If there is none, or it mixes images.
    """
    if augmenter is None or augmenter.mixes:
        what = "there is none" if augmenter is None else "this one mixes images"
        raise ArgumentError(
            f"views of an image need an augmentation that changes it alone, but {what}. Pass"
            " another --augment, or --passes for a head with dropout."
        )


@dataclass(frozen=True)
class Kept:
    """Averaged maps of a backbone that never changes, in files that are mapped into memory.

    Attributes:
        plain: Of all images of the index, half precision, shape (N, D).
        views: Of the images of the pool, each of shape (M, D).
        row: Row in `views` of each image of the index, -1 if it is not in the pool, shape (N,).
        device: Where they are wanted.
    """

    plain: Floats
    views: tuple[Floats, ...]
    row: Integers
    device: torch.device

    def maps(self, places: Integers, view: int | None = None) -> Iterator[tuple[slice, Tensor]]:
        """See `Trunk.maps`."""
        for start in range(0, len(places), ROWS):
            part = slice(start, min(start + ROWS, len(places)))
            yield part, self.take(places[part], view)

    def take(self, places: Integers, view: int | None) -> Tensor:
        """A copy of the maps of a few images."""
        chosen = self.plain[places] if view is None else self.views[view][self.row[places]]
        return torch.from_numpy(chosen.astype(np.float32)).to(self.device)


def keep(passing: Passing, pool: Integers, *, views: int, folder: Path) -> Kept:
    """Pass every image once, and every image of the pool once per view; or find that it was done.

    Args:
        passing: The backbone, which must not change any more. It computes in float32.
        pool: Places of the images that views are wanted of.
        views: Augmented views of each.
        folder: Where the files go; a file is there whole or not at all.
    """
    passing = replace(passing, predictor=replace(passing.predictor, autocast=False))
    whole = np.arange(len(passing.data.stored))
    shown = bar(total=len(whole) + views * len(pool), what="maps of frozen stages")
    try:
        plain = _table(folder / "plain.npy", passing, whole, None, shown.update)
        seen = [
            _table(folder / f"view-{view}.npy", passing, pool, view, shown.update)
            for view in range(views)
        ]
    finally:
        shown.close()
    row = np.full(len(whole), -1)
    row[pool] = np.arange(len(pool))
    return Kept(plain, tuple(seen), row, passing.predictor.placement.device)


def _table(
    path: Path,
    passing: Passing,
    places: Integers,
    view: int | None,
    moved: Callable[[int], object],
) -> Floats:
    if path.is_file():
        moved(len(places))
    else:
        with replacing(path) as temporary:
            table: np.memmap[Any, Any] | None = None
            for part, maps in passing.maps(places, view):
                if table is None:
                    table = np.lib.format.open_memmap(
                        temporary, mode="w+", dtype=HALF, shape=(len(places), maps.shape[1])
                    )
                table[part] = half(maps)
                moved(len(maps))
            if table is not None:
                table.flush()
    found: Floats = np.load(path, mmap_mode="r", allow_pickle=False)
    return found


def fingerprint(passing: Passing) -> str:
    """A name for all that maps depend on: weights, normalisation, images and views.

    Returns:
        Sixteen hexadecimal digits.
    """
    predictor, data = passing.predictor, passing.data
    augment = [] if passing.augmenter is None else list(passing.augmenter.specs)
    found = hashlib.sha256()
    for name, tensor in predictor.network.backbone.state_dict().items():
        if tensor.is_floating_point():  # and no count of the batches that a norm has seen
            found.update(name.encode() + tensor.detach().cpu().numpy().tobytes())
    found.update("".join(data.index.frame["image_id"]).encode())
    normalise = [predictor.normalise.mean, predictor.normalise.std]
    prepared = [data.store.steps, data.store.scale]
    found.update(json.dumps([normalise, prepared, augment, passing.seed]).encode())
    return found.hexdigest()[:16]


def half(maps: Tensor) -> Floats:
    """Maps in half precision, what is too large for it at its end."""
    most = float(np.finfo(HALF).max)
    return maps.clamp(-most, most).cpu().numpy().astype(HALF)


def scratch(shape: tuple[int, ...], dtype: np.dtype[Any], folder: Path, name: str) -> Floats:
    """An array to fill: in memory if it is small, else in a file that is mapped into it."""
    if math.prod(shape) * dtype.itemsize <= MOST:
        return np.empty(shape, dtype)
    folder.mkdir(parents=True, exist_ok=True)
    return np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=dtype, shape=shape)
