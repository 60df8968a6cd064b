"""Bringing the folder of a store up to date: what is there, what is damaged, what is missing."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from medgraft.errors import ArgumentError
from medgraft.files import write_text
from medgraft.machine import cores
from medgraft.prepare import shards
from medgraft.prepare.build import Wanted, build, different_shapes
from medgraft.prepare.disk import plain
from medgraft.prepare.pipeline import canonical
from medgraft.prepare.shards import Shard
from medgraft.prepare.steps import Step

Shapes = dict[int, tuple[tuple[int, ...], str]]


@dataclass(frozen=True)
class Held:
    """What a store's folder holds of the images wanted.

    Attributes:
        folder: Where the shards lie.
        bits: 8 or 16.
        shards: Those that hold any of the images; their content was checked.
        places: Number of the shard and place in it, by key.
        rejects: Reason and remedy, by key, of every image that is wanted and not held.
        notes: What the user should know, as sentences.
    """

    folder: Path
    bits: int
    shards: tuple[Shard, ...]
    places: dict[str, tuple[int, int]]
    rejects: dict[str, tuple[str, str]]
    notes: tuple[str, ...] = ()


def complete(
    home: Path,
    chain: Sequence[Step],
    wanted: Sequence[Wanted],
    *,
    bits: int,
    deepest: int | None,
    workers: int | None,
    classes: str | None = None,
) -> Held:
    """Prepare whatever a store lacks, and say what it holds.

    Two processes that do this at once do not do the work twice: the second one waits.

    Args:
        home: Folder of all stores.
        chain: Preparation steps.
        wanted: Images; those with the same key count once.
        bits: 8 or 16, for the numbers stored.
        deepest: Most bits that a file may have; None allows any.
        workers: See `medgraft.pool.spread`.
        classes: Classes of masks, if it is masks that are wanted; they have a folder of their own.

    Raises:
        ArgumentError: If two images come out in different sizes.
        DeeperError: If a file has more than `deepest` bits.
        StoreError: If the folder cannot be written.
    """
    made_by = [*canonical(chain), *([f"masks {classes}"] if classes else [])]
    folder = home / shards.folder_name(made_by, bits)
    paths = {one.key: one for one in wanted}
    checked: set[tuple[Path, int]] = set()
    every, damaged = _find(folder, paths, checked)
    held = _held(folder, bits, every, paths)
    if not damaged and not _missing(held, paths):
        return held
    with plain(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        with plain(folder):
            write_text(folder / "steps.txt", "\n".join(made_by) + "\n")
        every, damaged = _find(folder, paths, checked)
        notes = tuple(_remove(record) for record in damaged)
        shards.clean(folder, every)
        held = _held(folder, bits, every, paths)
        passing = build(
            folder,
            _missing(held, paths),
            chain,
            bits=bits,
            deepest=deepest,
            workers=workers,
            shapes=_shapes(held.shards, paths),
            classes=classes,
        )
        every, _ = _find(folder, paths, checked)
    return _held(folder, bits, every, paths, passing=passing, notes=notes)


def used_bits(home: Path, chain: Sequence[Step], wanted: Sequence[Wanted]) -> int:
    """16 if some of the images are kept in 16 bits already, else 8."""
    found, _ = shards.find(home / shards.folder_name(canonical(chain), 16))
    kept = {key for shard in found for key in shard.keys}
    return 16 if any(one.key in kept for one in wanted) else 8


def _find(
    folder: Path, paths: dict[str, Wanted], checked: set[tuple[Path, int]]
) -> tuple[list[Shard], list[Path]]:
    """All shards but the damaged ones, and the records of those; others' are not checked."""
    found, damaged = shards.find(folder)
    doubted = [
        shard
        for shard in found
        if (shard.path, shard.crc32) not in checked and not paths.keys().isdisjoint(shard.keys)
    ]
    with ThreadPoolExecutor(cores()) as threads:
        sound = list(threads.map(Shard.sound, doubted))
    checked.update((s.path, s.crc32) for s, good in zip(doubted, sound, strict=True) if good)
    bad = {shard.record for shard, good in zip(doubted, sound, strict=True) if not good}
    return [shard for shard in found if shard.record not in bad], [*damaged, *sorted(bad)]


def _held(
    folder: Path,
    bits: int,
    every: Sequence[Shard],
    paths: dict[str, Wanted],
    *,
    passing: dict[str, tuple[str, str]] | None = None,
    notes: tuple[str, ...] = (),
) -> Held:
    useful = tuple(shard for shard in every if not paths.keys().isdisjoint(shard.keys))
    _shapes(useful, paths)
    places = {
        key: (number, place)
        for number, shard in enumerate(useful)
        for place, key in enumerate(shard.keys)
        if key in paths
    }
    # Other versions of the decoders may read what these could not: such rejects are tried again.
    lasting = [shard.rejects for shard in every if shard.made_with == shards.decoders()]
    rejects = {
        key: why
        for found in (*lasting, passing or {})
        for key, why in found.items()
        if key in paths and key not in places
    }
    return Held(folder, bits, useful, places, rejects, notes)


def _missing(held: Held, paths: dict[str, Wanted]) -> list[Wanted]:
    return [one for key, one in paths.items() if key not in held.places and key not in held.rejects]


def _shapes(useful: Sequence[Shard], paths: dict[str, Wanted]) -> Shapes:
    """Shape and example of the images held, by number of axes; two sizes are an error."""
    shapes: Shapes = {}
    for shard in useful:
        example = next(paths[key].path for key in shard.keys if key in paths)
        shape, first = shapes.setdefault(len(shard.shape), (shard.shape, example))
        if shard.shape != shape:
            raise ArgumentError(different_shapes(shape, first, shard.shape, example))
    return shapes


def _remove(record: Path) -> str:
    """Delete a damaged shard and say so."""
    for suffix in (".json", ".bin"):
        record.with_suffix(suffix).unlink(missing_ok=True)
    note = f"A shard of the store was damaged and is built again: '{record.with_suffix('.bin')}'."
    _say(note)
    return note


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; the system frees it even if this process is killed."""
    try:
        import fcntl
    except ImportError:  # not a POSIX system: work may be done twice, and no file is torn
        yield
        return
    with plain(folder):
        handle = (folder / ".lock").open("w")
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("Another process prepares images for the same store; waiting for it.")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _say(note: str) -> None:
    sys.stderr.write(f"{note}\n")
