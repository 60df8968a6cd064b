"""Preparing the images that a store lacks, and writing them as shards."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from medgraft.errors import ArgumentError
from medgraft.pool import spread
from medgraft.prepare import shards
from medgraft.prepare.disk import check_room, plain
from medgraft.prepare.pipeline import canonical
from medgraft.prepare.steps import Step

SHARD_IMAGES = 1024
SHARD_BYTES = 64 * 2**20
SHARD_SECONDS = 60.0  # at most a minute of decoding is lost when the process is killed


@dataclass(frozen=True)
class Wanted:
    """An image that is to be prepared: the key it will have, and where its file lies.

    Of a mask, `path` is that of its image, which decides where the mask goes.
    """

    key: str
    path: str
    mask: str | None = None


class DeeperError(Exception):
    """A file has more bits than the store was made for; internal to this package."""


def build(
    folder: Path,
    wanted: Sequence[Wanted],
    chain: Sequence[Step],
    *,
    bits: int,
    deepest: int | None,
    workers: int | None,
    shapes: dict[int, tuple[tuple[int, ...], str]],
    classes: str | None = None,
) -> dict[str, tuple[str, str]]:
    """Prepare images and write them to `folder`; what was finished stays there, whatever happens.

    Args:
        folder: The store's folder, whose lock the caller holds.
        wanted: What to prepare; keys are distinct.
        chain: Preparation steps.
        bits: 8 or 16, for the numbers stored.
        deepest: Most bits that a file may have; None allows any.
        workers: See `medgraft.pool.spread`.
        shapes: Shape and path of an image that is there already, by number of spatial axes.
        classes: Classes of masks, if it is masks that are wanted.

    Returns:
        Reason and remedy of each key that failed in a way that may not last.

    Raises:
        ArgumentError: If two images come out in different sizes.
        DeeperError: If a file has more than `deepest` bits.
        StoreError: If the disk is full or cannot be written.
    """
    passing: dict[str, tuple[str, str]] = {}
    pending = _Pending(folder)
    what, work, tasks, settings = _work(wanted, chain, bits, classes)
    with (
        plain(folder),
        spread(
            work,
            tasks,
            what=what,
            settings=settings,
            workers=workers,
        ) as replies,
    ):
        try:
            for done, reply in enumerate(replies):
                item = wanted[reply.place]
                if reply.failure:
                    passing[item.key] = reply.failure
                elif reply.array is None:
                    kept = pending.rejects if reply.said["lasting"] else passing
                    kept[item.key] = (reply.said["reason"], reply.said["remedy"])
                else:
                    if deepest is not None and reply.said["bits"] > deepest:
                        raise DeeperError
                    _check_shape(reply.array, item.path, shapes)
                    if done == 0 or not pending.sized:
                        check_room(folder, reply.array.nbytes * (len(wanted) - done))
                    pending.add(item.key, reply.array)
        except (KeyboardInterrupt, ArgumentError):
            pending.flush()  # what is ready need not be prepared again
            raise
        pending.flush()
    return passing


def _work(
    wanted: Sequence[Wanted], chain: Sequence[Step], bits: int, classes: str | None
) -> tuple[str, str, list[Any], dict[str, Any]]:
    """What is done, by which function, to which tasks, with which settings."""
    specs = canonical(chain)
    if classes is None:
        images = [one.path for one in wanted]
        settings = {"specs": specs, "bits": bits}
        return "preparing images", "medgraft.prepare.answers:preparing", images, settings
    pairs = [(one.path, one.mask) for one in wanted]
    settings = {"specs": specs, "classes": classes}
    return "preparing masks", "medgraft.prepare.masks:preparing", pairs, settings


@dataclass
class _Pending:
    """Images that wait until there are enough for a shard."""

    folder: Path
    keys: dict[tuple[int, ...], list[str]] = field(default_factory=dict)
    arrays: dict[tuple[int, ...], list[np.ndarray]] = field(default_factory=dict)
    rejects: dict[str, tuple[str, str]] = field(default_factory=dict)
    since: float = field(default_factory=time.monotonic)
    sized: bool = False

    def add(self, key: str, array: np.ndarray) -> None:
        """Take an image; write a shard if that makes enough."""
        keys = self.keys.setdefault(array.shape, [])
        arrays = self.arrays.setdefault(array.shape, [])
        keys.append(key)
        arrays.append(array)
        self.sized = True
        enough = len(keys) >= SHARD_IMAGES or len(keys) * array.nbytes >= SHARD_BYTES
        if enough or time.monotonic() - self.since > SHARD_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write everything that waits."""
        for shape, keys in self.keys.items():
            shards.write(self.folder, keys, np.stack(self.arrays[shape]), self.rejects)
            self.rejects = {}
        if self.rejects:
            shards.write(self.folder, [], np.empty((0,), np.uint8), self.rejects)
            self.rejects = {}
        self.keys, self.arrays = {}, {}
        self.since = time.monotonic()


def _check_shape(
    array: np.ndarray, path: str, shapes: dict[int, tuple[tuple[int, ...], str]]
) -> None:
    """Refuse a second size; another number of axes is the row's fault and judged later."""
    shape, first = shapes.setdefault(array.ndim, (array.shape, path))
    if array.shape != shape:
        raise ArgumentError(different_shapes(shape, first, array.shape, path))


def different_shapes(
    shape: tuple[int, ...], path: str, other_shape: tuple[int, ...], other: str
) -> str:
    """The message for two images that do not come out alike."""
    if shape[1:] == other_shape[1:]:
        remedy = "Add the step channels:count=1 (or 3)."
    else:
        remedy = (
            "Add the step resize, such as resize:side=64 (after pad_square, to keep proportions)."
        )
    return (
        f"every prepared image must have the same shape (C, *S), but '{path}' gives {shape} and"
        f" '{other}' gives {other_shape}. {remedy}"
    )
