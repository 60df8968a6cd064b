"""Time as it stands in a ledger: UTC, as text that sorts by time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

LAYOUT = "%Y-%m-%dT%H:%M:%S.%fZ"


def now() -> datetime:
    """The time now, in UTC."""
    return datetime.now(UTC)


def later(seconds: float) -> datetime:
    """The time so many seconds from now, in UTC."""
    return now() + timedelta(seconds=seconds)


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
