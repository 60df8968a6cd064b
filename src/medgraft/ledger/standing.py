"""What holds for an image as of now, given what its readers said."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Literal

from sqlalchemy import Connection, and_, delete, insert, select, true, update

from medgraft.ledger.campaign import Campaign
from medgraft.ledger.counting import count
from medgraft.ledger.records import Reading
from medgraft.ledger.schema import items, leases, readers, readings, standings, waiting

Status = Literal["open", "skipped", "agreed", "majority", "disputed", "unsure", "adjudicated"]
SETTLED = ("agreed", "majority", "adjudicated")
DISPUTED = ("disputed", "unsure", "skipped")
FOR_ADJUDICATORS = (*DISPUTED, "adjudicated")
Labels = tuple[str, ...]


def verdict(
    campaign: Campaign, said: Sequence[Reading], everybody: Collection[str]
) -> tuple[Status, Labels | None]:
    """Status and labels of an image that nobody has adjudicated.

    A class holds if more than half of the readers say so, those who were unsure counted. Where
    neither a class nor its absence has a majority the image is disputed.

    Args:
        campaign: Which classes there are, and how many readers an image wants.
        said: What its readers say.
        everybody: All who may be asked.
    """
    read = [one for one in said if one.act != "skip"]
    if len(read) < campaign.readers_per_image:
        left = set(everybody) - {one.reader for one in said}
        return ("open" if left or len(read) == len(said) else "skipped"), None
    answers = [one.labels for one in read if one.labels is not None]
    if not answers:
        return "unsure", None
    if len(answers) == len(read) and len(set(answers)) == 1:
        return "agreed", answers[0]
    labels = _majority(campaign, answers, len(read))
    return ("disputed", None) if labels is None else ("majority", labels)


def _majority(campaign: Campaign, answers: Sequence[Labels], of: int) -> Labels | None:
    votes = Counter(name for labels in answers for name in labels)
    chosen = tuple(name for name in campaign.names if 2 * votes[name] > of)
    if campaign.kind == "exclusive":
        return chosen or None
    decided = all(
        2 * votes[name] > of or 2 * (len(answers) - votes[name]) > of for name in campaign.names
    )
    return chosen if decided else None


def settle(connection: Connection, campaign: Campaign, image_id: str) -> Status:
    """Write anew what follows for an image: its standing, and who may still be given it."""
    row = connection.execute(
        select(items.c.position, standings.c.ruling, standings.c.status)
        .join_from(items, standings)
        .where(items.c.image_id == image_id)
    ).one()
    said = readings_of(connection, image_id)
    everybody = names(connection, "reader")
    here = standings.c.image_id == image_id
    if row.ruling is not None:
        status: Status = "adjudicated"  # its labels were written with the ruling
        connection.execute(update(standings).where(here).values(status=status))
    else:
        status, labels = verdict(campaign, said, everybody)
        text = None if labels is None else json.dumps(labels)
        connection.execute(update(standings).where(here).values(status=status, labels=text))
    if status != row.status:
        count(connection, "status", row.status, -1)
        count(connection, "status", status, 1)
    wanted = everybody - {one.reader for one in said} if status == "open" else set()
    _wait(connection, row.position, wanted)
    if status not in DISPUTED:  # an adjudicator who had it in hand keeps nobody waiting
        theirs = leases.c.reader.not_in(wanted) if wanted else true()
        connection.execute(delete(leases).where(leases.c.position == row.position, theirs))
    return status


def _wait(connection: Connection, position: int, wanted: set[str]) -> None:
    here = waiting.c.position == position
    there = set(connection.execute(select(waiting.c.reader).where(here)).scalars())
    if gone := there - wanted:
        connection.execute(delete(waiting).where(and_(here, waiting.c.reader.in_(gone))))
        for name in gone:
            count(connection, "waiting", name, -1)
        connection.execute(
            delete(leases).where(leases.c.position == position, leases.c.reader.in_(gone))
        )
    if new := wanted - there:
        rows = [{"reader": name, "position": position} for name in sorted(new)]
        connection.execute(insert(waiting), rows)
        for name in new:
            count(connection, "waiting", name, 1)


def readings_of(connection: Connection, image_id: str) -> list[Reading]:
    """What everybody says about one image."""
    rows = connection.execute(select(readings).where(readings.c.image_id == image_id))
    return [reading(row) for row in rows]


def reading(row: object) -> Reading:
    """A row of `readings` as what it means."""
    found = row._mapping  # type: ignore[attr-defined]
    labels = found["labels"]
    return Reading(
        found["image_id"],
        found["reader"],
        found["act"],
        None if labels is None else tuple(json.loads(labels)),
        found["event"],
    )


def names(connection: Connection, role: str) -> set[str]:
    """All who were admitted in that role."""
    return set(connection.execute(select(readers.c.name).where(readers.c.role == role)).scalars())
