"""Write down what a reader did, once, and what follows from it."""

from __future__ import annotations

import json
import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Exists, delete, exists, insert, select, update

from medgraft.errors import ArgumentError, LeaseError, LedgerError, UnknownNameError
from medgraft.ledger import clock
from medgraft.ledger.campaign import Campaign
from medgraft.ledger.counting import count
from medgraft.ledger.records import Act, Event
from medgraft.ledger.schema import events, items, leases, readings, standings
from medgraft.ledger.standing import FOR_ADJUDICATORS, names, settle

LONGEST = 128  # characters of a request
UNDOABLE = {
    "reader": ("answer", "unsure", "skip", "correction"),
    "adjudicator": ("adjudication",),
}


@dataclass(frozen=True)
class Given:
    """What a client says that a reader did.

    Attributes:
        reader: Who.
        act: "answer", "unsure", "skip" or "adjudication".
        image_id: About which image.
        labels: Of an answer or adjudication, checked by the campaign.
        seconds: How long it took; None if nobody measured.
        request: The client's own name for this act.
        model: Which model's view went with the image; None: the one it was queued with.
    """

    reader: str
    act: Act
    image_id: str
    labels: tuple[str, ...] | None
    seconds: float | None
    request: str
    model: str | None

    def __post_init__(self) -> None:
        if self.seconds is not None and not (math.isfinite(self.seconds) and self.seconds >= 0):
            raise ArgumentError(f"seconds must be finite and >= 0, got {self.seconds!r}.")
        if not 0 < len(self.request) <= LONGEST or not self.request.isprintable():
            raise ArgumentError(
                f"request must be 1 to {LONGEST} printable characters, got {self.request!r:.80}."
            )


def repeated(connection: Connection, given: Given) -> Event | None:
    """The event that this request has made already, if it has.

    Raises:
        LedgerError: If the request was used for something else.
    """
    row = connection.execute(
        select(events).where(events.c.reader == given.reader, events.c.request == given.request)
    ).one_or_none()
    if row is None:
        return None
    before = event(row)
    undoes = given.act == "undo"
    same = before.act == "undo" if undoes else _says(before, given)
    if not same:
        raise LedgerError(
            f"request {given.request!r} of {given.reader!r} must mean one act, but it was"
            f" '{before.act}' of image {before.image_id!r} before. Give every act a new one."
        )
    return before


def _says(before: Event, given: Given) -> bool:
    acts = (given.act, "correction") if given.act in ("answer", "unsure") else (given.act,)
    return (before.image_id, before.labels) == (given.image_id, given.labels) and before.act in acts


def read(connection: Connection, campaign: Campaign, given: Given, *, leased: bool = True) -> Event:
    """Record an answer, an unsure or a skip; a second one of the same reader corrects the first.

    Args:
        connection: Within a transaction that writes.
        campaign: Of the ledger.
        given: What the reader did.
        leased: Whether the image must be in the reader's hands; not if it was read elsewhere.

    Raises:
        LeaseError: If the image is not the reader's to answer.
        LedgerError: If the reader skips what they have answered.
    """
    item = find(connection, given.image_id)
    mine = connection.execute(
        select(readings.c.event, readings.c.act).where(
            readings.c.image_id == given.image_id, readings.c.reader == given.reader
        )
    ).one_or_none()
    if mine is None and leased:
        check_lease(connection, given.reader, item.position)
    elif mine is not None and given.act == "skip":
        raise LedgerError(
            f"an image must be skipped before it is answered, but {given.reader!r} has already"
            f" said something about {given.image_id!r}. Undo that first."
        )
    act: Act = given.act if mine is None else "correction"
    done = write(connection, given, act, about=mine.event if mine else None, model=item.model)
    keep_reading(connection, done, done)
    settle(connection, campaign, given.image_id)
    free(connection, given.reader, item.position)
    return done


def rule(
    connection: Connection, campaign: Campaign, given: Given, *, overrule: bool = True
) -> Event:
    """Record an adjudication: from now on it is the label of the image.

    Args:
        connection: Within a transaction that writes.
        campaign: Of the ledger.
        given: What the adjudicator says.
        overrule: Whether it may take the place of what another adjudicator said.

    Raises:
        LedgerError: If the readers can still settle the image or have done so, or another
            adjudicator has and may not be overruled.
    """
    item = find(connection, given.image_id)
    standing = connection.execute(
        select(standings).where(standings.c.image_id == given.image_id)
    ).one()
    if standing.status not in FOR_ADJUDICATORS:
        raise LedgerError(
            f"an adjudicated image must be one that its readers do not settle, but"
            f" {given.image_id!r} is {standing.status}. A reader may still correct an answer."
        )
    before = _event(connection, standing.ruling)
    if before is not None and before.reader != given.reader and not overrule:
        raise LedgerError(
            f"a disputed image must be settled once, but {before.reader!r} has settled"
            f" {given.image_id!r} meanwhile; nothing was saved. Take the next one."
        )
    done = write(connection, given, "adjudication", about=standing.ruling, model=item.model)
    keep_ruling(connection, given.image_id, done)
    settle(connection, campaign, given.image_id)
    return done


def undo(
    connection: Connection, campaign: Campaign, given: Given, roles: Collection[str]
) -> Event | None:
    """Take back the last act in one of these roles that still holds; None if there is none."""
    undoable = [act for role in roles for act in UNDOABLE[role]]
    row = connection.execute(
        select(events)
        .where(events.c.reader == given.reader, events.c.act.in_(undoable), ~_undone())
        .order_by(events.c.number.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    last = event(row)
    image = Given(given.reader, "undo", last.image_id, None, None, given.request, given.model)
    done = write(connection, image, "undo", about=last.number, model="")
    if last.act == "adjudication":
        keep_ruling(connection, last.image_id, _ruling(connection, last.image_id))
    else:
        keep_reading(connection, last, _event(connection, last.about))
    settle(connection, campaign, last.image_id)
    return done


def _ruling(connection: Connection, image_id: str) -> Event | None:
    """The last adjudication of an image that nobody took back: of others, too."""
    row = connection.execute(
        select(events)
        .where(events.c.image_id == image_id, events.c.act == "adjudication", ~_undone())
        .order_by(events.c.number.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else event(row)


def _undone() -> Exists:
    """Whether an event was taken back."""
    later = events.alias()
    return exists().where(later.c.about == events.c.number, later.c.act == "undo")


def keep_reading(connection: Connection, of: Event, says: Event | None) -> None:
    """Let an event be what the reader of another one says about its image, or let nothing be.

    Args:
        connection: Within a transaction that writes.
        of: Names the reader and the image.
        says: The event that holds; None where none does.
    """
    here = (readings.c.image_id == of.image_id) & (readings.c.reader == of.reader)
    before = connection.execute(delete(readings).where(here).returning(readings.c.act)).scalar()
    if before is not None:
        count(connection, "skip" if before == "skip" else "read", of.reader, -1)
    if says is None:
        return
    act = says.act
    if act == "correction":
        act = "unsure" if says.labels is None else "answer"
    count(connection, "skip" if act == "skip" else "read", of.reader, 1)
    connection.execute(
        insert(readings).values(
            image_id=of.image_id,
            reader=of.reader,
            act=act,
            labels=_text(says.labels),
            event=says.number,
        )
    )


def keep_ruling(connection: Connection, image_id: str, ruling: Event | None) -> None:
    """Let an adjudication hold, or none; `settle` says what follows."""
    connection.execute(
        update(standings)
        .where(standings.c.image_id == image_id)
        .values(
            ruling=ruling.number if ruling else None,
            labels=_text(ruling.labels) if ruling else None,
        )
    )


def write(
    connection: Connection, given: Given, act: Act, *, about: int | None, model: str
) -> Event:
    """Add one event."""
    at = clock.now(connection)
    model = model if given.model is None else given.model
    values = {
        "at": clock.written(at),
        "reader": given.reader,
        "act": act,
        "image_id": given.image_id,
        "labels": _text(given.labels),
        "seconds": given.seconds,
        "model": model,
        "request": given.request,
        "about": about,
    }
    number = connection.execute(insert(events).values(**values).returning(events.c.number)).scalar()
    assert number is not None, "an event without a number"
    return Event(
        number, at, given.reader, act, given.image_id, given.labels, given.seconds, model,
        given.request, about,
    )  # fmt: skip


def find(connection: Connection, image_id: str) -> Any:
    """The queued image of that id.

    Raises:
        UnknownNameError: If it was never queued.
    """
    row = connection.execute(select(items).where(items.c.image_id == image_id)).one_or_none()
    if row is None:
        raise UnknownNameError(
            f"an image must be in the queue of the campaign to be answered, and {image_id!r:.80} is"
            " not. Is it of another campaign?"
        )
    return row


def check_reader(connection: Connection, reader: str, role: str = "reader") -> None:
    """Refuse whoever was not admitted in that role.

    Raises:
        LedgerError: With those who were.
    """
    known = names(connection, role)
    if reader not in known:
        raise LedgerError(
            f"{reader!r:.80} must be admitted to the campaign as {role}, and is not. Admitted:"
            f" {', '.join(sorted(known)) or 'nobody'}."
        )


def check_lease(connection: Connection, reader: str, position: int) -> None:
    """Refuse an answer about an image that is not in the reader's hands.

    A lease that has run out will do as long as nobody else was given the image.

    Raises:
        LeaseError: If it was never given to them, or went to somebody else.
    """
    holder = connection.execute(
        select(leases.c.reader).where(leases.c.position == position)
    ).scalar_one_or_none()
    if holder != reader:
        elsewhere = "it is with another reader now" if holder else "it is not in their hands"
        raise LeaseError(
            f"an image must be with {reader!r} to be answered, but {elsewhere}; nothing was saved."
            " Take the next one."
        )


def free(connection: Connection, reader: str, position: int) -> None:
    """End a lease."""
    connection.execute(
        delete(leases).where(leases.c.position == position, leases.c.reader == reader)
    )


def event(row: Any) -> Event:
    """A row of `events` as what it means."""
    found = dict(row._mapping)
    labels = found["labels"]
    return Event(
        **{
            **found,
            "at": clock.read(found["at"]),
            "labels": None if labels is None else tuple(json.loads(labels)),
        }
    )


def _event(connection: Connection, number: int | None) -> Event | None:
    if number is None:
        return None
    return event(connection.execute(select(events).where(events.c.number == number)).one())


def _text(labels: tuple[str, ...] | None) -> str | None:
    return None if labels is None else json.dumps(labels, ensure_ascii=False)
