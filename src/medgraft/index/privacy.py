"""What in the files of an archive may tell who the patients are.

The workers of the pool import this file, so it stays free of tables and their package.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from medgraft.errors import ReadError
from medgraft.index.lettering import find_lines
from medgraft.progress import track
from medgraft.read import personal, read
from medgraft.read.dicom.loading import is_dicom
from medgraft.read.formats import readers
from medgraft.read.quiet import quiet
from medgraft.worker import Work

HEAD_BYTES = 132  # as far as the mark of DICOM
SUFFIXES = readers.get("dicom").suffixes
GZIP = b"\x1f\x8b"
BLOCK, THREADS = (
    1000,
    16,
)  # files are opened side by side: over a network most of the time is waiting


def tagged(root: Path, paths: Sequence[str]) -> list[bool]:
    """Which images may have DICOM tags: by their first bytes, a small part of what reading tags takes.

    Said of files that begin as DICOM does or are called so, of packed ones, of folders, and of what
    cannot be opened, so that whoever reads it says why.

    Args:
        root: The folder that they start from.
        paths: As the index has them.
    """
    blocks = [paths[k : k + BLOCK] for k in range(0, len(paths), BLOCK)]
    with ThreadPoolExecutor(THREADS) as threads:
        found = threads.map(lambda block: [_may_have_tags(f"{root}/{p}") for p in block], blocks)
        return [
            one for block in track(found, total=len(blocks), what="tags", unit="k") for one in block
        ]


def _may_have_tags(file: str) -> bool:
    try:
        head = _head(file)
    except FileNotFoundError:
        archive, member, _ = file.rpartition("#")
        return not member or _archive_may_have_tags(archive)
    except OSError:  # a folder, too
        return True
    if head[:2] == GZIP:
        return not file.lower().endswith(".nii.gz")
    return not head or is_dicom(head, Path(file)) or file.lower().endswith(SUFFIXES)


@lru_cache(maxsize=1024)
def _archive_may_have_tags(archive: str) -> bool:
    return _may_have_tags(archive)


def _head(file: str) -> bytes:
    opened = os.open(file, os.O_RDONLY)
    try:
        return os.read(opened, HEAD_BYTES)
    finally:
        os.close(opened)


@contextmanager
def inspecting(root: str) -> Iterator[Work]:
    """Work for `medgraft.pool.spread`: from a path and whether to look at its pixels to what is found."""
    with quiet():
        yield lambda job: (inspect(Path(root), *job), None)


def inspect(root: Path, path: str, look: bool) -> dict[str, Any]:  # noqa: FBT001 (a task is a list)
    """What one image may tell.

    Args:
        root: The folder that `path` starts from.
        path: As the index has it.
        look: Whether to look for burned-in text, too; of a volume at its middle slice.

    Returns:
        The fields of `medgraft.read.dicom.personal.Personal`, and "lines", boxes in pixels; only
        "unread" with the reason if the image cannot be read.
    """
    file = str(root / path)
    try:
        found = asdict(personal(file))
        found["lines"] = find_lines(_picture(read(file).array)) if look else []
    except (ReadError, OSError) as error:
        return {"unread": str(error)}
    return found


def _picture(array: np.ndarray) -> np.ndarray:
    return array if array.ndim == 3 else array[:, array.shape[1] // 2]
