"""Shards: files of many prepared images, each with a JSON file that says what it holds.

A shard is ``NAME.bin``, the images one after the other, and ``NAME.json``, written after it. A
shard without its JSON does not exist, so that a build which is killed leaves whole shards only.
The folder of a store is named for the steps and bits that made its content; an image in it is
known by the hash of its file. Indexes that share images share them there.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from medgraft import __version__
from medgraft.files import replacing, write_json

STORE_VERSION = 1  # raise it when a step or reader gives other values than before
DECODERS = (
    "imagecodecs",
    "nibabel",
    "pillow",
    "pydicom",
    "pyjpegls",
    "pylibjpeg-openjpeg",
    "tifffile",
)


@dataclass(frozen=True)
class Shard:
    """One shard on disk.

    Attributes:
        path: The ``.bin`` file; it exists only if there are keys.
        keys: Which image lies at each place.
        shape: Shape of one image, (C, *S).
        dtype: Kind of number, little-endian.
        crc32: Checksum of the ``.bin`` file.
        rejects: Reason and remedy of each image that was tried and failed.
        made_with: Versions of the decoders; other ones may read what these could not.
    """

    path: Path
    keys: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    dtype: str = "uint8"
    crc32: int = 0
    rejects: dict[str, tuple[str, str]] = field(default_factory=dict)
    made_with: str = ""

    @property
    def record(self) -> Path:
        """The JSON file, whose presence makes the shard count."""
        return self.path.with_suffix(".json")

    def images(self) -> np.ndarray:
        """The images, shape (len(keys), C, *S), mapped from the disk."""
        return np.memmap(
            self.path, dtype=np.dtype(self.dtype), mode="r", shape=(len(self.keys), *self.shape)
        )

    def sound(self) -> bool:
        """Whether the file has the bytes that were written; reads all of it."""
        if not self.keys:
            return True
        try:
            return zlib.crc32(self.images().data) == self.crc32
        except (OSError, ValueError):  # missing, or shorter than it must be
            return False

    def remove(self) -> None:
        """Delete both files."""
        self.record.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)


def folder_name(steps: Sequence[str], bits: int) -> str:
    """The name of a store: a hash of all that decides on its values, except the files."""
    text = json.dumps([STORE_VERSION, list(steps), bits])
    return hashlib.sha256(text.encode()).hexdigest()[:24]


@cache
def decoders() -> str:
    """Versions of what reads files, as one line."""
    return ", ".join(
        [f"medgraft {__version__}", *(f"{name} {_version(name)}" for name in DECODERS)]
    )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"


def write(
    folder: Path, keys: Sequence[str], images: np.ndarray, rejects: dict[str, tuple[str, str]]
) -> Shard:
    """Write a shard, whole or not at all.

    Raises:
        OSError: If the disk is full or the folder cannot be written; nothing is left behind.
    """
    name = hashlib.sha256("\n".join([*keys, "", *rejects]).encode()).hexdigest()[:24]
    images = np.ascontiguousarray(images)
    shard = Shard(
        path=folder / f"{name}.bin",
        keys=tuple(keys),
        shape=images.shape[1:],
        dtype=images.dtype.str,
        crc32=zlib.crc32(images.data),
        rejects=rejects,
        made_with=decoders(),
    )
    if keys:
        with replacing(shard.path) as temporary, temporary.open("wb") as handle:
            handle.write(images.data)
    try:
        write_json(shard.record, _record(shard))
    except OSError:
        shard.path.unlink(missing_ok=True)
        raise
    return shard


def _record(shard: Shard) -> dict[str, Any]:
    names = ("keys", "shape", "dtype", "crc32", "rejects", "made_with")
    return {name: getattr(shard, name) for name in names}


def find(folder: Path) -> tuple[list[Shard], list[Path]]:
    """The shards of a folder, and the JSON files in it that cannot be understood."""
    found, damaged = [], []
    for path in sorted(folder.glob("*.json")):
        try:
            found.append(_parsed(path))
        except (OSError, ValueError, TypeError, KeyError):
            damaged.append(path)
    return found, damaged


def _parsed(path: Path) -> Shard:
    record = json.loads(path.read_text(encoding="utf-8"))
    return Shard(
        path=path.with_suffix(".bin"),
        keys=tuple(record["keys"]),
        shape=tuple(record["shape"]),
        dtype=record["dtype"],
        crc32=record["crc32"],
        rejects={key: (why, what) for key, (why, what) in record["rejects"].items()},
        made_with=record["made_with"],
    )


def clean(folder: Path, shards: Iterable[Shard]) -> None:
    """Delete what a build that was killed has left; only for whoever holds the lock."""
    known = {shard.path for shard in shards}
    for path in folder.iterdir():
        if path.suffix == ".part" or (path.suffix == ".bin" and path not in known):
            path.unlink(missing_ok=True)
