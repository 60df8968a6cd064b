"""Tables as text: CSV with its separators, TSV, Parquet; what is no table is one clear line."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

import polars as pl

from medgraft.errors import TableError
from medgraft.index.paths import TABLES, suffix
from medgraft.index.table import near

BLANK = ("", "nan")
HEADER_BYTES = 2**20  # a header that is longer is no header
MOST_COLUMNS = 10_000  # each of them costs memory, however few rows there are


def tables(source: Path) -> list[Path]:
    """The tables at the top of a folder, or the table that `source` is; no index of our own."""
    if source.is_file():
        return [source] if suffix(source.name) in TABLES else []
    with os.scandir(source) as entries:
        names = [e.name for e in entries if suffix(e.name) in TABLES and e.is_file()]
    found = [source / name for name in sorted(names) if not name.startswith(".")]
    return [file for file in found if not _is_ours(file)]


def _is_ours(file: Path) -> bool:
    """Whether a file is an index, or what is kept beside one."""
    try:
        return suffix(file.name) == ".parquet" and any(
            key.startswith("medgraft") for key in pl.read_parquet_metadata(file)
        )
    except (pl.exceptions.PolarsError, OSError):
        return False


def header(file: Path) -> list[str]:
    """The names of the columns; none if it is no file, or its header is none.

    Nothing but the header is read, so this is quick whatever the size of the table.
    """
    try:
        if suffix(file.name) == ".parquet":
            return list(pl.read_parquet_schema(file))
        line = _first_line(file)
        names = next(csv.reader(io.StringIO(line), delimiter=_separator(line)), [])
    except (pl.exceptions.PolarsError, OSError, TableError, csv.Error):  # csv: too long a name
        return []
    return [name.strip() for name in names]


def has_columns(file: Path, *names: str) -> bool:
    """Whether a file is a table with all of these columns."""
    return file.is_file() and set(names) <= set(header(file))


def read_table(file: Path, *need: str, rows: int | None = None) -> pl.DataFrame:
    """All columns as text; blanks are null; names of columns without blanks around them.

    Args:
        file: The table.
        need: Columns that it must have.
        rows: How many rows are read; None reads all.

    Raises:
        TableError: If there is none, it is no table in UTF-8, or its header is longer than 1 MiB,
            names more than 10,000 columns, or lacks one of `need`.
    """
    try:
        if suffix(file.name) == ".parquet":
            _check_width(len(pl.read_parquet_schema(file)), file)
            table = pl.read_parquet(file, hive_partitioning=False, n_rows=rows).cast(pl.String)
        else:
            line = _first_line(file)
            separator = _separator(line)
            _check_width(line.count(separator) + 1, file)
            table = pl.read_csv(file, infer_schema=False, separator=separator, n_rows=rows)
    except FileNotFoundError as error:
        raise TableError(
            f"the table '{file}' must exist, and there is no such file. Name the folder that it lies"
            " in as SOURCE, or add it."
        ) from error
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).partition("\n")[0] or "it is empty"
        raise TableError(
            f"'{file}' must be a table in UTF-8 with a header: {reason}. Save it again as CSV (UTF-8)."
        ) from error
    names = {name: name.strip() for name in table.columns}
    if len(set(names.values())) == len(names):
        table = table.rename(names)
    if missing := [name for name in need if name not in table.columns]:
        shown = [name[:40] for name in table.columns[:30]]
        raise TableError(
            f"'{file}' must have the column {missing[0]!r}. {near(missing[0], shown)}"
            " Fetch it again, or index the images with another --layout."
        )
    stripped = pl.all().str.strip_chars()
    return table.with_columns(
        pl.when(stripped.str.to_lowercase().is_in(BLANK)).then(None).otherwise(stripped).name.keep()
    )


def _first_line(file: Path) -> str:
    with file.open("rb") as handle:
        line = handle.readline(HEADER_BYTES)
    if len(line) == HEADER_BYTES:
        raise TableError(
            f"'{file}' must begin with a line of column names, and its first line is longer than"
            " 1 MiB. Name another table, or one with fewer columns."
        )
    if b"\0" in line:
        raise TableError(
            f"'{file}' must be a table in UTF-8, and its first line holds null bytes, as in UTF-16."
            " Save it again as CSV (UTF-8)."
        )
    return line.decode("utf-8-sig", errors="replace")


def _separator(line: str) -> str:
    return max((",", ";", "\t"), key=line.count)


def _check_width(columns: int, file: Path) -> None:
    if columns > MOST_COLUMNS:
        raise TableError(
            f"'{file}' must have at most {MOST_COLUMNS} columns, got {columns}."
            " Leave out those that no label, patient or path stands in."
        )
