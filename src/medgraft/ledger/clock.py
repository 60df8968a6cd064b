"""Time as it stands in a ledger: UTC, as text that sorts by time, by one clock for all who write.

Leases compare times that several machines have written, and their clocks differ.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection, func, select

LAYOUT = "%Y-%m-%dT%H:%M:%S.%fZ"


def now(connection: Connection) -> datetime:
    """The time now by the clock of the ledger, in UTC.

    That of the server for PostgreSQL, and not of the beginning of the transaction, which may have
    waited for others since. A SQLite file is written on one machine, whose clock this is.
    """
    if connection.dialect.name == "sqlite":
        return datetime.now(UTC)
    moment: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return moment.astimezone(UTC)


def written(moment: datetime) -> str:
    """A moment as text of fixed width.

    Examples:
        >>> written(datetime(2026, 11, 20, 9, 5, tzinfo=UTC))
        '2026-11-20T09:05:00.000000Z'
    """
    return moment.astimezone(UTC).strftime(LAYOUT)


def read(text: str) -> datetime:
    """The moment that `written` wrote.

    Examples:
        >>> read("2026-11-20T09:05:00.000000Z").isoformat()
        '2026-11-20T09:05:00+00:00'
    """
    return datetime.strptime(text, LAYOUT).replace(tzinfo=UTC)
