"""One decoding pass: what an image is, before anybody prepares it.

The workers of the pool import this file, so it stays free of tables and their package.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from medgraft.errors import ReadError
from medgraft.index.hashing import array_id, content_id, perceptual, thumbnail
from medgraft.index.marks import is_marked
from medgraft.index.masks import check_grid, count_values, files_of, read_mask, rooted
from medgraft.read import Scan, identity, read
from medgraft.read.quiet import quiet
from medgraft.worker import Work

ARCHIVES = frozenset([".npz", ".h5", ".hdf5"])  # an image in one of them has a hash of its own
ENDS = 2**16  # bytes at either end of a file by which it is known if nothing is decoded
TAGS = ("patient_id", "study_id", "view", "laterality", "modality")


@dataclass
class Measured:
    """What was found: a dictionary of columns per image; path, reason and remedy per reject."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    rejects: list[tuple[str, str, str]] = field(default_factory=list)


@contextmanager
def measuring(root: str, *, decode: bool) -> Iterator[Work]:
    """Work for `medgraft.pool.spread`: from paths and masks to the fields of what `measure` finds."""
    with quiet():
        yield lambda job: (vars(measure(Path(root), job[0], decode=decode, masks=job[1])), None)


@contextmanager
def identifying() -> Iterator[Work]:
    """Work for `medgraft.pool.spread`: from a file to its tags, or reason and remedy."""
    with quiet():
        yield lambda file: (_identify(file), None)


@contextmanager
def comparing() -> Iterator[Work]:
    """Work for `medgraft.pool.spread`: from a file to its thumbnail, if it can still be read."""
    with quiet():
        yield lambda file: (None, small(file))


def measure(
    root: Path, paths: Sequence[str], *, decode: bool = True, masks: Mapping[str, str] | None = None
) -> Measured:
    """Hash and decode the images of one file.

    Args:
        root: The folder that `paths` start from.
        paths: One path, or all members that are wanted of one archive.
        decode: Whether to decode, or only to hash the content.
        masks: The mask of each path that has one; it must lie on the grid of its image.
    """
    found, masks = Measured(), masks or {}
    archive = Path(root, paths[0].partition("#")[0])
    if "#" in paths[0] and archive.suffix.lower() in ARCHIVES and archive.is_file():
        _measure_members(root, paths, archive, found, decode=decode, masks=masks)
        return found
    for path in paths:
        _measure_file(root, path, found, decode=decode, mask=masks.get(path))
    return found


def _identify(file: str) -> dict[str, Any]:
    try:
        return asdict(identity(file))
    except ReadError as error:
        return {"reject": (error.reason, error.remedy)}


def _measure_file(
    root: Path, path: str, found: Measured, *, decode: bool, mask: str | None
) -> None:
    file = Path(root, path)
    try:
        row: dict[str, Any] = {"path": path}
        if is_marked(file):
            row["generated"] = True
        scan = read(file) if decode else None
        if scan is not None:
            row |= describe(scan) | _tags(file, scan)
        row["image_id"] = content_id(file) if file.exists() else _member_id(str(file), scan)
        if mask:
            row |= _describe_mask(root, mask, scan)
    except ReadError as error:
        found.rejects.append((path, error.reason, error.remedy))
    except OSError as error:
        found.rejects.append(
            (
                path,
                f"it cannot be opened: {error.strerror}",
                "Check the file and its permissions.",
            )
        )
    else:
        found.rows.append(row)


def _tags(file: Path, scan: Scan) -> dict[str, str]:
    """Tags of a DICOM file; other formats name no modality and have none."""
    if scan.modality is None:
        return {}
    said = identity(file)
    return {name: value for name in TAGS if (value := getattr(said, name))}


def _measure_members(
    root: Path,
    paths: Sequence[str],
    archive: Path,
    found: Measured,
    *,
    decode: bool,
    masks: Mapping[str, str],
) -> None:
    """All wanted rows of an archive's arrays; an array of an NPZ is unpacked once."""
    wanted: dict[str, list[tuple[str, int]]] = {}
    for path in paths:
        name, _, row = path.partition("#")[2].rpartition("/")
        wanted.setdefault(name, []).append((path, int(row)))
    for name, rows in wanted.items():
        try:
            with _open(archive) as arrays:
                _measure_rows(root, rows, arrays[name], found, decode=decode, masks=masks)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            reason = f"its archive cannot be unpacked: {str(error).partition(chr(10))[0]}"
            done = {row["path"] for row in found.rows} | {path for path, *_ in found.rejects}
            lost = [path for path, _ in rows if path not in done]
            found.rejects += [(path, reason, "Copy the archive again.") for path in lost]


def _open(archive: Path) -> Any:
    """An archive as a mapping from names to arrays; those of HDF5 are read image by image."""
    if archive.suffix.lower() == ".npz":
        return np.load(archive, allow_pickle=False)
    import h5py

    return h5py.File(archive, "r")


def _measure_rows(
    root: Path,
    rows: list[tuple[str, int]],
    images: np.ndarray,
    found: Measured,
    *,
    decode: bool,
    masks: Mapping[str, str],
) -> None:
    for path, number in rows:
        if not 0 <= number < len(images):
            reason = f"its array has {len(images)} rows, and no row {number}"
            found.rejects.append((path, reason, "Correct the number."))
            continue
        row: dict[str, Any] = {"path": path, "image_id": array_id(images[number])}
        scan = _member_scan(images[number], f"{root}/{path}") if decode else None
        if scan is not None:
            row |= describe(scan)
        if path in masks:
            try:
                row |= _describe_mask(root, masks[path], scan)
            except ReadError as error:
                found.rejects.append((path, error.reason, error.remedy))
                continue
        found.rows.append(row)


def _describe_mask(root: Path, mask: str, image: Scan | None) -> dict[str, Any]:
    """The hash of a mask and, if its image was decoded, how many pixels have which value.

    Raises:
        ReadError: If it cannot be read, or does not lie on the grid of its image.
    """
    place = rooted(root, mask)
    try:
        row: dict[str, Any] = {"mask_id": _mask_id(place)}
        if image is not None:
            scan = read_mask(place)
            check_grid(image, scan)
            row["mask_values"] = count_values(scan)
    except ReadError as error:
        name = error.path.removeprefix(f"{root}/")
        reason = f"its mask '{name}' cannot be used: {error.reason}"
        raise ReadError(error.path, reason, error.remedy) from error
    except OSError as error:
        reason = f"its mask '{mask}' cannot be opened: {error.strerror}"
        raise ReadError(place, reason, "Check the file.") from error
    return row


def _mask_id(mask: str) -> str:
    """The hash of the file, and the place in it if it is an archive; of several files, of all."""
    first, *others = files_of(mask)
    if others:
        return hashlib.sha256("".join(map(_mask_id, (first, *others))).encode()).hexdigest()
    if Path(mask).exists():
        return content_id(Path(mask))
    file, _, member = mask.partition("#")
    return f"{content_id(Path(file))}#{member}"


def _member_id(path: str, scan: Scan | None) -> str:
    """A hash of one of several images in a file: of its values, or, undecoded, of where it lies.

    A slide of gigabytes holds thousands of patches, so undecoded the file counts by its length
    and its ends only.
    """
    if scan is not None:
        return array_id(scan.array)
    file, _, member = path.partition("#")
    with Path(file).open("rb") as handle:
        first = handle.read(ENDS)
        size = handle.seek(0, os.SEEK_END)
        handle.seek(max(size - ENDS, 0))
        last = handle.read(ENDS)
    return hashlib.sha256(first + last + f"{size}#{member}".encode()).hexdigest()


def _member_scan(image: np.ndarray, source: str) -> Scan:
    """As `read` does for one image of an archive: colour comes last in arrays of pictures."""
    colour = image.ndim == 3 and image.shape[-1] in (3, 4)
    array = np.moveaxis(image[..., :3], -1, 0) if colour else image[None]
    whole = np.issubdtype(array.dtype, np.integer)
    span = (float(np.iinfo(array.dtype).min), float(np.iinfo(array.dtype).max)) if whole else None
    return Scan(array, source=source, value_range=span)


def describe(scan: Scan) -> dict[str, Any]:
    """The columns that decoding gives: shape, bits, low, high, phash.

    `low` and `high` are the least and greatest value; NaN if the image holds a NaN.
    """
    low, high = float(scan.array.min()), float(scan.array.max())
    return {
        "shape": list(scan.array.shape),
        "bits": _bits(scan),
        "low": low,
        "high": high,
        "phash": None if low == high else perceptual(scan.array),
    }


def small(file: str) -> np.ndarray | None:
    """The thumbnail of one image; None if it can no longer be read."""
    try:
        return thumbnail(read(file).array)
    except ReadError:
        return None


def _bits(scan: Scan) -> int:
    """Bits that the values of a file can fill: 12 of 16 in many films."""
    if scan.value_range is None or not np.issubdtype(scan.array.dtype, np.integer):
        return scan.array.dtype.itemsize * 8
    low, high = scan.value_range
    return int(high - low).bit_length()
