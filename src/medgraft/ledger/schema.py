"""The tables of a ledger: what is written once, and what is derived from it.

`campaign`, `readers`, `batches`, `items` and `events` are only ever added to. `readings` (what
each reader says), `standings` (what follows for each image) and `waiting` (what may still be
given to whom), counted in `tallies`, hold what follows from them as of now. `leases` says who has which image in hand.
"""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

LAYOUT = 1  # of the tables; a ledger of another layout is refused

metadata = MetaData()

campaign = Table(
    "campaign",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("layout", Integer, nullable=False),
    Column("settings", Text, nullable=False),
    Column("at", String(27), nullable=False),
)

readers = Table(
    "readers",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("role", String(16), primary_key=True),
    Column("at", String(27), nullable=False),
)

batches = Table(
    "batches",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", String(27), nullable=False),
)

items = Table(
    "items",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("image_id", String(128), nullable=False, unique=True),
    Column("batch", ForeignKey("batches.number"), nullable=False),
    Column("rank", Integer, nullable=False),
    Column("why", Text, nullable=False),
    Column("probabilities", Text),
    Column("model", Text, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("at", String(27), nullable=False),
    Column("reader", String(64), nullable=False),
    Column("act", String(16), nullable=False),
    Column("image_id", ForeignKey("items.image_id"), nullable=False, index=True),
    Column("labels", Text),
    Column("seconds", Float),
    Column("model", Text, nullable=False),
    Column("request", String(128), nullable=False),
    Column("about", ForeignKey("events.number"), index=True),
    UniqueConstraint("reader", "request"),
    Index("events_of_reader", "reader", "number"),
    sqlite_autoincrement=True,  # a number is never given twice
)

readings = Table(
    "readings",
    metadata,
    Column("image_id", ForeignKey("items.image_id"), primary_key=True),
    Column("reader", String(64), primary_key=True),
    Column("act", String(16), nullable=False),
    Column("labels", Text),
    Column("event", ForeignKey("events.number"), nullable=False),
    Index("readings_of_reader", "reader", "act"),
    sqlite_with_rowid=False,
)

standings = Table(
    "standings",
    metadata,
    Column("image_id", ForeignKey("items.image_id"), primary_key=True),
    Column("status", String(16), nullable=False, index=True),
    Column("labels", Text),
    Column("ruling", ForeignKey("events.number")),
    sqlite_with_rowid=False,
)

waiting = Table(  # clustered by reader, so that the next image is the first row
    "waiting",
    metadata,
    Column("reader", String(64), primary_key=True),
    Column("position", ForeignKey("items.position"), primary_key=True),
    Index("waiting_at", "position"),
    sqlite_with_rowid=False,
)

leases = Table(
    "leases",
    metadata,
    Column("position", ForeignKey("items.position"), primary_key=True),
    Column("reader", String(64), nullable=False, index=True),
    Column("expires", String(27), nullable=False),
    sqlite_with_rowid=False,
)

tallies = Table(  # so that progress need not count 100,000 rows after every answer
    "tallies",
    metadata,
    Column("what", String(16), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("count", Integer, nullable=False),
    sqlite_with_rowid=False,
)

WRITTEN_ONCE = (campaign, readers, batches, items, events)
