"""Counts that are kept up to date, so that nobody has to count."""

from __future__ import annotations

from typing import Literal

from sqlalchemy import Connection, insert, select, update

from medgraft.ledger.schema import tallies

What = Literal["status", "waiting", "read", "skip"]


def count(connection: Connection, what: What, name: str, by: int) -> None:
    """Add to a count; it begins with nought.

    Args:
        connection: Within a transaction that writes.
        what: Images by status, images that wait for a reader, readings or skips of a reader.
        name: Of the status or the reader.
        by: How many more; less than nought for fewer.
    """
    here = (tallies.c.what == what) & (tallies.c.name == name)
    changed = connection.execute(update(tallies).where(here).values(count=tallies.c.count + by))
    if not changed.rowcount:
        connection.execute(insert(tallies).values(what=what, name=name, count=by))


def counts(connection: Connection) -> dict[tuple[str, str], int]:
    """All counts, by what and name."""
    rows = connection.execute(select(tallies.c.what, tallies.c.name, tallies.c.count))
    return {(what, name): number for what, name, number in rows}
