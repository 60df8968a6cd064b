"""What was measured the last time, so that only files that are new or changed are opened again."""

from __future__ import annotations

import os
import stat
from array import array
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from medgraft import __version__
from medgraft.files import replacing
from medgraft.index.masks import JOIN

DETACHED = r"\.(mhd|nhdr|hdr|img|head|brik|par|rec)($|//)"  # half of the image lies in another file
STAMP = ("path", "bytes", "modified_ns", "mask_path", "mask_bytes", "mask_modified_ns")
NOTHING = (-1, -1)
NO_MASK: dict[str, Any] = dict(zip(STAMP[3:], (pl.String, pl.Int64, pl.Int64), strict=True))


def stamp(frame: pl.DataFrame, root: Path) -> pl.DataFrame:
    """Size and time of the file of each row, and of its mask.

    Args:
        frame: Rows with `path` and perhaps `mask_path`.
        root: The folder that they start from.

    Returns:
        The columns `STAMP`. Sizes and times are null where a file cannot be asked or its time
        does not speak for its content (a header apart from its pixels).
    """
    found = frame.select("path").with_columns(_columns(root, frame["path"], ""))
    if "mask_path" not in frame.columns:
        return found.with_columns(pl.lit(None, kind).alias(name) for name, kind in NO_MASK.items())
    masks = frame["mask_path"]
    return found.with_columns(masks, *_columns(root, masks, "mask_")).select(STAMP)


def _columns(root: Path, paths: pl.Series, name: str) -> list[pl.Series]:
    sizes, times = array("q"), array("q")
    start = f"{root}{os.sep}"
    detached = paths.str.to_lowercase().str.contains(DETACHED).fill_null(value=True)
    for path, silent in zip(paths, detached, strict=True):
        size, time = NOTHING if silent else _stamp_all(start, path)
        sizes.append(size)
        times.append(time)
    both = zip((f"{name}bytes", f"{name}modified_ns"), (sizes, times), strict=True)
    return [pl.Series(n, np.frombuffer(v, np.int64)).replace(-1, None) for n, v in both]


def _stamp_all(start: str, path: str) -> tuple[int, int]:
    """The stamp of a path, or of all files that make up one mask."""
    if JOIN not in path:
        return _stamp(start + path)
    found = [_stamp(start + part) for part in path.split(JOIN)]
    return NOTHING if NOTHING in found else (sum(s for s, _ in found), max(t for _, t in found))


def _stamp(file: str) -> tuple[int, int]:
    """Size and time of a file, or of all files of a series; -1 where they say nothing."""
    try:
        status = os.stat(file)
        if stat.S_ISDIR(status.st_mode):
            with os.scandir(file) as entries:
                inside = [entry.stat() for entry in entries]
            return sum(s.st_size for s in inside), max(s.st_mtime_ns for s in [status, *inside])
    except OSError:
        archive, member, _ = file.rpartition("#")  # an image in an archive is as old as that
        return _stamp(archive) if member else NOTHING
    return status.st_size, status.st_mtime_ns


def recall(file: Path, stamps: pl.DataFrame, *, decode: bool) -> pl.DataFrame | None:
    """What is known of the rows whose files are as they were.

    Args:
        file: Where `keep` wrote it.
        stamps: The rows as they are now.
        decode: Whether images are decoded; what was found without decoding is not enough then.

    Returns:
        The measured columns of those rows, and in `row` their place in `stamps`; None if nothing
        was kept, or not by this version.
    """
    try:
        if pl.read_parquet_metadata(file).get("medgraft.measured") != _manner(decode=decode):
            return None
        rows = _unchanged(pl.scan_parquet(file, hive_partitioning=False), stamps)
        known = pl.read_parquet(file, hive_partitioning=False).drop(STAMP[1:])
    except (pl.exceptions.PolarsError, OSError):
        return None
    return known[rows["known"]].with_columns(rows["row"])


def _unchanged(known: pl.LazyFrame, stamps: pl.DataFrame) -> pl.DataFrame:
    """Places of the same rows in what is kept (`known`) and now (`row`); nothing else is loaded."""
    same = [pl.col(name).eq_missing(pl.col(f"{name} now")) for name in STAMP[1:]]
    sure = pl.col("bytes").is_not_null() & (
        pl.col("mask_path").is_null() | pl.col("mask_bytes").is_not_null()
    )
    before = known.select(STAMP).with_row_index("known")
    now = stamps.lazy().with_row_index("row")
    both = before.join(now, on="path", how="inner", suffix=" now")
    return both.filter(sure, *same).select("known", "row").collect(engine="streaming")


def keep(file: Path, stamps: pl.DataFrame, measured: pl.DataFrame, *, decode: bool) -> None:
    """Write what was measured, for `recall`.

    Raises:
        OutputError: If the file cannot be written.
    """
    both = places(stamps["path"], measured["path"])
    frame = stamps[both["left"]].hstack(measured.drop("path")[both["right"]])
    with replacing(file) as temporary:
        frame.write_parquet(temporary, metadata={"medgraft.measured": _manner(decode=decode)})


def _manner(*, decode: bool) -> str:
    """By which version, and how, something was measured."""
    return f"{__version__} {'decoded' if decode else 'hashed'}"


def places(left: pl.Series, right: pl.Series) -> pl.DataFrame:
    """Where the same path stands in two columns, in the order of the first.

    Of a million rows it takes much less memory to join these numbers than whole tables.

    Returns:
        `left` and `right`, places; a path that stands in one column only is left out.

    Examples:
        >>> places(pl.Series(["a", "b", "c"]), pl.Series(["c", "x", "a"])).rows()
        [(0, 2), (2, 0)]
    """
    one = left.alias("path").to_frame().lazy().with_row_index("left")
    other = right.alias("path").to_frame().lazy().with_row_index("right")
    both = one.join(other, on="path", how="inner").select("left", "right")
    return both.collect(engine="streaming").sort("left")
