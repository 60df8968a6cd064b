"""Give images to readers and adjudicators, so that no two have the same one in hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, Exists, and_, delete, exists, insert, select, update

from medgraft.errors import ArgumentError
from medgraft.ledger import clock
from medgraft.ledger.records import Leased
from medgraft.ledger.schema import items, leases, standings, waiting
from medgraft.ledger.standing import DISPUTED

MOST = 100  # images that one person may hold


def lease(connection: Connection, reader: str, count: int, seconds: float) -> list[Leased]:
    """The next images of a reader, in the order of the queue; theirs until the lease expires.

    Those that the reader holds already come again, with a new lease.
    """
    _check(count, seconds)
    now = clock.now(connection)
    rows = connection.execute(
        select(items)
        .join(waiting, waiting.c.position == items.c.position)
        .where(waiting.c.reader == reader, ~_with_others(reader, now))
        .order_by(waiting.c.position)
        .limit(count)
    ).all()
    expires = now + timedelta(seconds=seconds)
    _hold(connection, reader, [row.position for row in rows], expires)
    return [
        Leased(
            row.image_id,
            row.batch,
            row.rank,
            json.loads(row.why),
            None if row.probabilities is None else json.loads(row.probabilities),
            row.model,
            expires,
        )
        for row in rows
    ]


def lease_disputes(
    connection: Connection, adjudicator: str, count: int, seconds: float
) -> list[str]:
    """The next images that an adjudicator should settle, in the order of the queue."""
    _check(count, seconds)
    now = clock.now(connection)
    rows = connection.execute(
        select(items.c.image_id, items.c.position)
        .join(standings)
        .where(standings.c.status.in_(DISPUTED), ~_with_others(adjudicator, now))
        .order_by(items.c.position)
        .limit(count)
    ).all()
    _hold(connection, adjudicator, [row.position for row in rows], now + timedelta(seconds=seconds))
    return [row.image_id for row in rows]


def _check(count: int, seconds: float) -> None:
    if not 1 <= count <= MOST:
        raise ArgumentError(f"a person may hold 1 to {MOST} images, got {count}.")
    if not seconds > 0:
        raise ArgumentError(f"a lease must last longer than 0 seconds, got {seconds!r}.")


def _with_others(person: str, now: datetime) -> Exists:
    """Whether somebody else has an image of `items` in hand."""
    return exists().where(
        leases.c.position == items.c.position,
        leases.c.reader != person,
        leases.c.expires > clock.written(now),
    )


def _hold(connection: Connection, reader: str, positions: list[int], expires: datetime) -> None:
    if not positions:
        return
    connection.execute(delete(leases).where(leases.c.position.in_(positions)))
    connection.execute(
        insert(leases),
        [{"position": p, "reader": reader, "expires": clock.written(expires)} for p in positions],
    )


def renew(connection: Connection, reader: str, seconds: float) -> list[str]:
    """Hold what a reader has in hand for longer; what others were given meanwhile is gone.

    Returns:
        The images that are still theirs.
    """
    if not seconds > 0:
        raise ArgumentError(f"a lease must last longer than 0 seconds, got {seconds!r}.")
    mine = leases.c.reader == reader
    expires = clock.now(connection) + timedelta(seconds=seconds)
    connection.execute(update(leases).where(mine).values(expires=clock.written(expires)))
    held = select(items.c.image_id).join(leases, leases.c.position == items.c.position).where(mine)
    return list(connection.execute(held.order_by(items.c.position)).scalars())


def release(connection: Connection, reader: str, image_ids: Sequence[str] | None) -> None:
    """Give images back; all that the reader holds where None."""
    mine = leases.c.reader == reader
    if image_ids is not None:
        those = select(items.c.position).where(items.c.image_id.in_(image_ids))
        mine = and_(mine, leases.c.position.in_(those))
    connection.execute(delete(leases).where(mine))


def take_back(connection: Connection, reader: str, position: int, seconds: float) -> bool:
    """Hold one image again, unless somebody else has it in hand; whether it is held."""
    now = clock.now(connection)
    wanted = connection.execute(
        select(waiting.c.position).where(waiting.c.reader == reader, waiting.c.position == position)
    ).one_or_none()
    other = connection.execute(
        select(leases.c.reader).where(
            leases.c.position == position,
            leases.c.reader != reader,
            leases.c.expires > clock.written(now),
        )
    ).one_or_none()
    if wanted is None or other is not None:
        return False
    _hold(connection, reader, [position], now + timedelta(seconds=seconds))
    return True
