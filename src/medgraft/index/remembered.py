"""What was measured the last time, so that only files that are new or changed are opened again."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import polars as pl

from medgraft import __version__
from medgraft.files import replacing
from medgraft.index.paths import suffix

DETACHED = frozenset(
    [".mhd", ".nhdr", ".hdr", ".img", ".head", ".brik", ".par", ".rec"]
)  # half of the image lies in another file, so their own time says too little
STAMP = ("path", "bytes", "modified_ns", "mask_path", "mask_bytes", "mask_modified_ns")


def stamp(frame: pl.DataFrame, root: Path) -> pl.DataFrame:
    """Size and time of the file of each row, and of its mask.

    Args:
        frame: Rows with `path` and perhaps `mask_path`.
        root: The folder that they start from.

    Returns:
        The columns `STAMP`. Sizes and times are null where a file cannot be asked or its time
        does not speak for its content (a header apart from its pixels).
    """
    masks = "mask_path" if "mask_path" in frame.columns else pl.lit(None, pl.String)
    found = frame.select("path", mask_path=masks)
    return found.with_columns(
        *_columns(root, found["path"], ""), *_columns(root, found["mask_path"], "mask_")
    ).select(STAMP)


def _columns(root: Path, paths: pl.Series, name: str) -> list[pl.Series]:
    values = np.full((2, len(paths)), -1, dtype=np.int64)
    if paths.count():
        start = f"{root}{os.sep}"
        for place, path in enumerate(paths):
            if path is not None:
                values[:, place] = _stamp(start, path)
    both = zip((f"{name}bytes", f"{name}modified_ns"), values, strict=True)
    return [pl.Series(n, v).replace(-1, None) for n, v in both]


def _stamp(start: str, path: str) -> tuple[int, int]:
    """Size and time of a file, or of all files of a series; -1 where they say nothing."""
    if suffix(path) in DETACHED:
        return -1, -1
    try:
        status = os.stat(start + path)
        if os.path.isdir(start + path):
            with os.scandir(start + path) as entries:
                inside = [entry.stat() for entry in entries]
            every = [status, *inside]
            return sum(s.st_size for s in inside), max(s.st_mtime_ns for s in every)
    except OSError:
        archive, member, _ = path.partition("#")
        return _stamp(start, archive) if member else (-1, -1)
    return status.st_size, status.st_mtime_ns


def recall(file: Path, stamps: pl.DataFrame, *, decode: bool) -> pl.DataFrame | None:
    """What is known of the rows whose files are as they were.

    Args:
        file: Where `keep` wrote it.
        stamps: The rows as they are now.
        decode: Whether images are decoded; what was found without decoding is not enough then.

    Returns:
        The measured columns of those rows; None if nothing was kept, or not by this version.
    """
    try:
        if pl.read_parquet_metadata(file).get("medgraft.measured") != _manner(decode=decode):
            return None
        known = pl.read_parquet(file, hive_partitioning=False)
    except (pl.exceptions.PolarsError, OSError):
        return None
    sure = stamps.filter(pl.col("bytes").is_not_null())
    sure = sure.filter(pl.col("mask_path").is_null() | pl.col("mask_bytes").is_not_null())
    return sure.join(known, on=STAMP, how="inner", nulls_equal=True).drop(STAMP[1:])


def keep(file: Path, stamps: pl.DataFrame, measured: pl.DataFrame, *, decode: bool) -> None:
    """Write what was measured, for `recall`.

    Raises:
        OutputError: If the file cannot be written.
    """
    frame = stamps.join(measured, on="path", how="inner")
    with replacing(file) as temporary:
        frame.write_parquet(temporary, metadata={"medgraft.measured": _manner(decode=decode)})


def _manner(*, decode: bool) -> str:
    """By which version, and how, something was measured."""
    return f"{__version__} {'decoded' if decode else 'hashed'}"
