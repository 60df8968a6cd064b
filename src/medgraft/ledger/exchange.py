"""Bring in what was read elsewhere; nothing that is there is overwritten in silence."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from medgraft.errors import MedgraftError, TableError
from medgraft.ledger import acts
from medgraft.ledger.acts import Given
from medgraft.ledger.campaign import Campaign
from medgraft.ledger.records import Reading
from medgraft.ledger.schema import events, waiting
from medgraft.ledger.sheet import BETWEEN, MOST_SHOWN, Line
from medgraft.ledger.standing import readings_of


@dataclass(frozen=True)
class Conflict:
    """A row of a sheet that was not taken.

    Attributes:
        line: Number of the line in the file.
        image_id: Of which image.
        reader: Who says so.
        sheet: What the sheet says.
        ledger: What the ledger says.
        why: Why it was not taken.
    """

    line: int
    image_id: str
    reader: str
    sheet: str
    ledger: str
    why: str


@dataclass(frozen=True)
class Imported:
    """What became of a sheet.

    Attributes:
        added: Readings that are new.
        corrected: Readings that corrected those of the same reader, where that was asked for.
        known: Rows that were in the ledger already.
        conflicts: Rows that were not taken.
    """

    added: int
    corrected: int
    known: int
    conflicts: tuple[Conflict, ...]


def take(
    connection: Connection, campaign: Campaign, lines: Sequence[Line], *, correct: bool
) -> Imported:
    """Record the readings of a sheet.

    Args:
        connection: Of one transaction: all rows are taken, or none.
        campaign: Of the ledger.
        lines: Rows of the sheet.
        correct: Whether the sheet corrects what the same reader said before; otherwise such rows
            are conflicts. Rows that others have made needless are conflicts always.

    Raises:
        TableError: If a row names an image or a reader that the campaign does not know.
    """
    _check_known(connection, lines)
    added = corrected = known = 0
    conflicts = []
    for line in lines:
        given = _given(line)
        said = {one.reader: one for one in readings_of(connection, line.image_id)}
        mine = said.get(line.reader)
        if mine is not None and (mine.act, mine.labels) == (line.act, line.labels):
            known += 1
        elif mine is None and _was_there(connection, given):
            conflicts.append(_conflict(line, said, "was taken back in the ledger"))
        elif mine is not None and not (correct and line.act != "skip"):
            conflicts.append(_conflict(line, said, "the same reader says something else"))
        elif mine is not None:
            acts.read(connection, campaign, _renamed(given, mine))
            corrected += 1
        elif not _still_wanted(connection, line):
            conflicts.append(_conflict(line, said, "no further reading is wanted"))
        else:
            acts.read(connection, campaign, given, leased=False)
            added += 1
    return Imported(added, corrected, known, tuple(conflicts))


def _check_known(connection: Connection, lines: Sequence[Line]) -> None:
    wrong = []
    for line in lines:
        try:
            acts.find(connection, line.image_id)
            acts.check_reader(connection, line.reader)
        except MedgraftError as error:
            wrong.append(f"line {line.number}: {error}")
    if wrong:
        more = f" and {len(wrong) - MOST_SHOWN} more" if len(wrong) > MOST_SHOWN else ""
        raise TableError(
            "every row of a sheet must be about the images and readers of the campaign; nothing was"
            f" taken. {' '.join(wrong[:MOST_SHOWN])}{more}"
        )


def _given(line: Line) -> Given:
    content = repr((line.image_id, line.act, line.labels)).encode()
    request = line.request or f"sheet-{hashlib.sha256(content).hexdigest()[:24]}"
    act = line.act
    assert act in ("answer", "unsure", "skip"), "a line is a reading"
    return Given(line.reader, act, line.image_id, line.labels, line.seconds, request, line.model)


def _renamed(given: Given, mine: Reading) -> Given:
    """A correction is an act of its own, whatever the sheet calls the reading."""
    request = f"{given.request[:100]}-after-{mine.event}"
    return Given(
        given.reader, given.act, given.image_id, given.labels, given.seconds, request, given.model
    )


def _was_there(connection: Connection, given: Given) -> bool:
    same = (events.c.reader == given.reader) & (events.c.request == given.request)
    return connection.execute(select(events.c.number).where(same)).first() is not None


def _still_wanted(connection: Connection, line: Line) -> bool:
    position = acts.find(connection, line.image_id).position
    here = (waiting.c.reader == line.reader) & (waiting.c.position == position)
    return connection.execute(select(waiting.c.position).where(here)).first() is not None


def _conflict(line: Line, said: dict[str, Reading], why: str) -> Conflict:
    ledger = "; ".join(
        f"{name}: {_words(one.act, one.labels)}" for name, one in sorted(said.items())
    )
    sheet = _words(line.act, line.labels)
    return Conflict(line.number, line.image_id, line.reader, sheet, ledger, why)


def _words(act: str, labels: tuple[str, ...] | None) -> str:
    return act if labels is None else BETWEEN.join(labels) or "none of the classes"
