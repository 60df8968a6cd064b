"""The array store: every image of an index, prepared once and kept.

It lies in a cache folder and is shared by all indexes and runs that prepare the same files in
the same way. Deleting the folder costs time and nothing else.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from medgraft.errors import ArgumentError, StoreError, TableError
from medgraft.index import Index
from medgraft.machine import available_memory_bytes
from medgraft.prepare.build import DeeperError, Wanted
from medgraft.prepare.depth import DTYPES
from medgraft.prepare.masks import Masks, assembled
from medgraft.prepare.pipeline import canonical, pipeline
from medgraft.prepare.steps import Step
from medgraft.prepare.upkeep import Held, complete, used_bits

REJECTS = {"path": pl.String, "reason": pl.String, "remedy": pl.String}
MEMORY_SHARE = 0.5  # of the memory that is free; the rest is for the network


@dataclass(frozen=True, eq=False)
class Store:
    """Prepared images, by row.

    Attributes:
        rows: int64 (N,), for each row of the index its row in the store, or -1 if it was
            rejected. Byte-identical images share a row, unless their masks differ.
        rejects: Rows of the index that could not be prepared: path, reason, remedy.
        shape: Shape of one image, (C, *S).
        dtype: uint8 or uint16.
        scale: 255 or 65535: the stored number of a value of 1.0.
        steps: The steps with every option spelled out.
        folder: Where the shards lie.
        notes: What the user should know, as sentences, such as damage that was repaired.
        array: All images, (rows, C, *S), if they fit in the memory allowed; else None.
        masks: Their masks, if the store was opened with them; else None.
    """

    rows: np.ndarray
    rejects: pl.DataFrame
    shape: tuple[int, ...]
    dtype: np.dtype
    scale: int
    steps: tuple[str, ...]
    folder: Path
    notes: tuple[str, ...]
    array: np.ndarray | None
    _shards: tuple[np.ndarray, ...]
    _places: np.ndarray  # (rows, 2): number of the shard, place in it
    masks: Masks | None = None

    def __len__(self) -> int:
        """Number of distinct images."""
        return len(self._places)

    @classmethod
    def open(
        cls,
        index: Index,
        specs: Sequence[str],
        *,
        cache: str | Path | None = None,
        bits: Literal[8, 16] | None = None,
        workers: int | None = None,
        memory_bytes: int | None = None,
        masks: bool = False,
    ) -> Store:
        """Open the store of an index, preparing what it lacks.

        Args:
            index: Its `image_id`, `path` and `bits` are used.
            specs: Preparation steps, such as ``["intensity", "resize:side=64"]``.
            cache: Folder of all stores; by default $MEDGRAFT_CACHE or ~/.cache/medgraft.
            bits: Depth of the numbers kept; None takes 8 if no file has more, else 16.
            workers: Processes that decode; None takes one per core, 0 works in this process,
                where a decoder that crashes takes everything with it.
            memory_bytes: Keep the images in memory if they are no larger; None takes half of
                the memory that is free.
            masks: Whether to prepare the masks of the index too, for `gather_masks`. A row whose
                mask cannot be used is a reject; one without a mask stays, unlabelled.

        Raises:
            ArgumentError: If a step is wrong, or the images come out in different sizes.
            TableError: If the index has no rows, or no masks where they are asked for.
            StoreError: If no image could be prepared, or the cache cannot be written.
        """
        if bits not in (None, 8, 16):
            raise ArgumentError(f"bits must be 8 or 16, or left out, got {bits!r}")
        if workers is not None and workers < 0:
            raise ArgumentError(f"workers must not be negative, got {workers}")
        if index.frame.height == 0:
            raise TableError("the index must have at least one image, and has none.")
        home = default_cache() if cache is None else Path(cache)
        store = _open(index, pipeline(specs), home, bits, workers, memory_bytes)
        return _with_masks(store, index, home, workers, memory_bytes) if masks else store

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """Copy images out of the store.

        Args:
            rows: Rows of the store, shape (B,), as `rows` gives them; none negative.

        Returns:
            (B, C, *S) of `dtype`, in the order asked for; divide by `scale` for [0, 1].

        Raises:
            ArgumentError: If a row is negative, which stands for a rejected image, or too large.
        """
        rows = self._known(rows)
        if self.array is not None:
            return self.array.take(rows, axis=0)
        return self._from_disk(rows)

    def image(self, row: int) -> np.ndarray:
        """One image, (C, *S), not copied: to cut a part from, such as a slice of a volume.

        Of a store on disk the pages that are looked at are read, and no others.

        Raises:
            ArgumentError: If there is no such row.
        """
        self._known(np.array([row]))
        if self.array is not None:
            return _read_only(self.array[row])
        shard, place = self._places[row]
        found: np.ndarray = self._shards[shard][place]
        return found

    def mask(self, row: int) -> np.ndarray:
        """The mask of one image, uint8 (1, *S), as `gather_masks` gives it, not copied.

        Raises:
            ArgumentError: If there is no such row, or the store was opened without masks.
        """
        self._known(np.array([row]))
        return self._opened_masks().one(row)

    def gather_masks(self, rows: np.ndarray) -> np.ndarray:
        """Copy the masks of images out of the store.

        Args:
            rows: Rows of the store, shape (B,); none negative.

        Returns:
            uint8 (B, 1, *S): the place of each pixel's class in `masks.classes`, 0 being the
            background; `medgraft.index.masks.UNLABELLED` (255) in images without a mask.

        Raises:
            ArgumentError: If a row does not exist, or the store was opened without masks.
        """
        return self._opened_masks().gather(self._known(rows))

    def _opened_masks(self) -> Masks:
        if self.masks is None:
            raise ArgumentError("a store must be opened with masks=True to give masks")
        return self.masks

    def _known(self, rows: np.ndarray) -> np.ndarray:
        rows = np.asarray(rows, dtype=np.int64)
        if rows.size and (rows.min() < 0 or rows.max() >= len(self)):
            raise ArgumentError(
                f"rows must be from 0 to {len(self) - 1}, got {int(rows.min())} to"
                f" {int(rows.max())}. Leave out images whose row is -1: they were rejected."
            )
        return rows

    def _from_disk(self, rows: np.ndarray) -> np.ndarray:
        result = np.empty((len(rows), *self.shape), self.dtype)
        places = self._places[rows]
        for number in np.unique(places[:, 0]):
            here = np.flatnonzero(places[:, 0] == number)
            result[here] = self._shards[number][places[here, 1]]
        return result


def _read_only(view: np.ndarray) -> np.ndarray:
    """The same pixels, for readers alone: who wrote to them would change the store."""
    view.flags.writeable = False
    return view


def default_cache() -> Path:
    """$MEDGRAFT_CACHE, or ~/.cache/medgraft."""
    return Path(os.environ.get("MEDGRAFT_CACHE") or "~/.cache/medgraft").expanduser()


def _open(
    index: Index,
    chain: tuple[Step, ...],
    cache: Path,
    bits: Literal[8, 16] | None,
    workers: int | None,
    memory_bytes: int | None,
) -> Store:
    wanted = _wanted(index)
    home = cache / "store"
    known = bits or _declared_bits(index)
    try:
        # Without a word on bits, 8 will do until a file turns up that has more.
        begin = known or used_bits(home, chain, wanted)
        deepest = 8 if known is None and begin == 8 else None
        held = complete(home, chain, wanted, bits=begin, deepest=deepest, workers=workers)
    except DeeperError:
        held = complete(home, chain, wanted, bits=16, deepest=None, workers=workers)
    return _assembled(index, wanted, held, chain, memory_bytes)


def _with_masks(
    store: Store, index: Index, cache: Path, workers: int | None, memory_bytes: int | None
) -> Store:
    """The store with the masks of its rows; rows of the index whose mask fails are rejects."""
    if index.mask_classes is None:
        raise TableError(
            "the index must have masks with known classes, and has none. Index again with"
            " --layout image_mask or --mask COLUMN, and without --no-decode or with --mask-classes."
        )
    named = zip(
        _wanted(index), index.frame["mask_id"], index.frame["mask_path"], store.rows, strict=True
    )
    pairs = [
        (int(row), path, Wanted(f"{one.key}+{mask_id}", one.path, index.file(path)))
        if path is not None and row >= 0
        else None
        for one, mask_id, path, row in named
    ]
    wanted = [pair[2] for pair in pairs if pair is not None]
    if not wanted:
        raise StoreError("at least one image that can be prepared must have a mask, and none has.")
    held = complete(
        cache / "store",
        pipeline(store.steps),
        wanted,
        bits=8,
        deepest=None,
        workers=workers,
        classes=index.mask_classes.written(),
    )
    store, keys = _row_per_mask(store, [pair and pair[2].key for pair in pairs])
    lost = np.array([pair is not None and pair[2].key in held.rejects for pair in pairs])
    lines = [
        (path, *held.rejects[pair[2].key])
        for path, pair in zip(index.frame["path"], pairs, strict=True)
        if pair is not None and pair[2].key in held.rejects
    ]
    limit = MEMORY_SHARE * available_memory_bytes() if memory_bytes is None else memory_bytes
    return replace(
        store,
        rows=np.where(lost, -1, store.rows),
        rejects=pl.concat([store.rejects, pl.DataFrame(lines, schema=REJECTS, orient="row")]),
        notes=(*store.notes, *held.notes),
        masks=assembled(held, keys, store.shape[1:], index.mask_classes, limit),
    )


def _row_per_mask(store: Store, masks: Sequence[str | None]) -> tuple[Store, list[str | None]]:
    """Rows for the masks: an image that was outlined twice, with other results, stands twice.

    Args:
        store: A row per distinct image.
        masks: Key of the mask of each row of the index, or None.

    Returns:
        The store, and the key of the mask of each of its rows.
    """
    keys: list[str | None] = [None] * len(store)
    rows, source = store.rows.copy(), list(range(len(store)))
    more: dict[tuple[int, str], int] = {}
    for place, (row, key) in enumerate(zip(store.rows.tolist(), masks, strict=True)):
        if key is None:
            continue
        if keys[row] in (None, key):
            keys[row] = key
            continue
        if (row, key) not in more:
            more[row, key] = len(source)
            source.append(row)
            keys.append(key)
        rows[place] = more[row, key]
    if not more:
        return store, keys
    array = None if store.array is None else store.array[source]
    return replace(store, rows=rows, array=array, _places=store._places[source]), keys


def _wanted(index: Index) -> list[Wanted]:
    """Key and file of each row; an image inside a file is known by the file and its place."""
    pairs = zip(index.frame["image_id"], index.frame["path"], strict=True)
    return [
        Wanted(f"{image}#{path.partition('#')[2]}" if "#" in path else image, index.file(path))
        for image, path in pairs
    ]


def _declared_bits(index: Index) -> Literal[8, 16] | None:
    """8 or 16 as the index has it; None where it does not know enough to say."""
    bits = index.frame["bits"].to_list()
    if any(b is not None and b > 8 for b in bits):
        return 16
    return None if None in bits else 8


def _assembled(
    index: Index,
    wanted: Sequence[Wanted],
    held: Held,
    chain: Sequence[Step],
    memory_bytes: int | None,
) -> Store:
    shape, strange = _one_shape(held, wanted)
    rejects = held.rejects | strange
    keys = [key for key in dict.fromkeys(one.key for one in wanted) if key not in rejects]
    table = _rejects(index, wanted, rejects)
    if not keys:
        first = table.row(0, named=True)
        raise StoreError(
            f"at least one image must be usable, but all {table.height} in '{index.root}' were"
            f" rejected; '{first['path']}': {first['reason']}. {first['remedy']}"
        )
    row_of = {key: row for row, key in enumerate(keys)}
    places = np.array([held.places[key] for key in keys], dtype=np.int64)
    dtype = DTYPES[held.bits]
    size = len(keys) * dtype.itemsize * math.prod(shape)
    limit = MEMORY_SHARE * available_memory_bytes() if memory_bytes is None else memory_bytes
    store = Store(
        rows=np.array([row_of.get(one.key, -1) for one in wanted], dtype=np.int64),
        rejects=table,
        shape=shape,
        dtype=dtype,
        scale=2**held.bits - 1,
        steps=tuple(canonical(chain)),
        folder=held.folder,
        notes=held.notes,
        array=None,
        _shards=tuple(shard.images() for shard in held.shards),
        _places=places,
    )
    if size > limit:
        return store
    return replace(store, array=store.gather(np.arange(len(keys))), _shards=())


def _one_shape(
    held: Held, wanted: Sequence[Wanted]
) -> tuple[tuple[int, ...], dict[str, tuple[str, str]]]:
    """The shape of most images, and the rejects among those with more or fewer axes.

    Images with the same number of axes have the same shape already: `complete` saw to it.
    """
    axes = {key: len(held.shards[shard].shape) - 1 for key, (shard, _) in held.places.items()}
    if not axes:
        return (), {}
    usual = Counter(axes[one.key] for one in wanted if one.key in axes).most_common(1)[0][0]
    shape = next(shard.shape for shard in held.shards if len(shard.shape) - 1 == usual)
    remedy = "Index pictures and volumes apart."
    return shape, {
        key: (f"it has {count} spatial axes, and most images have {usual}", remedy)
        for key, count in axes.items()
        if count != usual
    }


def _rejects(
    index: Index, wanted: Sequence[Wanted], rejects: dict[str, tuple[str, str]]
) -> pl.DataFrame:
    """One line per row of the index that is not in the store."""
    lines = [
        (path, *rejects[one.key])
        for path, one in zip(index.frame["path"], wanted, strict=True)
        if one.key in rejects
    ]
    return pl.DataFrame(lines, schema=REJECTS, orient="row")
