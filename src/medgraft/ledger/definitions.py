"""The classes of a campaign, with their definitions, from a table."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from medgraft.errors import TableError
from medgraft.ledger.campaign import Class

COLUMNS = ("name", "definition", "key")


def read_definitions(path: Path) -> tuple[Class, ...]:
    """Classes from a CSV file with the columns name, definition and perhaps key.

    Raises:
        TableError: If it is no such file.
        ArgumentError: If a class cannot be one.
    """
    try:
        table = pl.read_csv(path, infer_schema=False)
    except (OSError, UnicodeDecodeError, pl.exceptions.PolarsError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise TableError(f"'{path}' must be a readable CSV file: {reason}.") from error
    if "name" not in table.columns or (unknown := set(table.columns) - set(COLUMNS)):
        wrong = sorted(unknown) if "name" in table.columns else table.columns
        raise TableError(
            f"'{path}' must have the columns {', '.join(COLUMNS)} (the last may be missing), got"
            f" {', '.join(wrong)}."
        )
    return tuple(
        Class(*((row.get(name) or "").strip() for name in COLUMNS))
        for row in table.iter_rows(named=True)
    )
