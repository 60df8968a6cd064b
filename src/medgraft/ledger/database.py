"""Transactions on SQLite and PostgreSQL that mean the same.

One writer at a time on both, so that what a transaction has seen still holds when it writes.
A durable transaction is on the disk when it ends; a quick one (a lease) is seen by everybody
at once, but a power cut may take it back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError, OperationalError

from medgraft.errors import LedgerError, OutputError, TableError
from medgraft.ledger.schema import leases

BUSY_SECONDS = 20.0  # how long a writer waits for the others
FORBIDDEN = ("readonly", "read-only", "permission denied", "unable to open database file")
LONG_AGO = 600  # seconds after which a connection is tried before it is used


class Database:
    """Where a ledger is kept; safe to use from several threads. Final."""

    def __init__(self, url: URL) -> None:
        self.name = url.render_as_string(hide_password=True)
        self.engine = _sqlite(url) if url.get_backend_name() == "sqlite" else _postgresql(url)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A view of the ledger in which nothing changes while it is read."""
        with self._plainly(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self, *, durable: bool = True, locked: bool = True) -> Iterator[Connection]:
        """All of the block is written, or nothing; others wait meanwhile.

        Args:
            durable: Whether it must survive a power cut once the block has ended.
            locked: Whether others wait; False only while the tables are made.

        Raises:
            OutputError: If the disk is full, or the ledger cannot be written.
            LedgerError: If others wrote for too long.
        """
        with self._plainly(), self.engine.connect() as plain:
            connection = plain.execution_options(
                writes="durable" if durable else "quick", locked=locked
            )
            with connection.begin():
                yield connection

    def append_to_a_log(self) -> None:
        """Have a SQLite file keep a log beside it, so that nobody who reads waits for a writer.

        Raises:
            OutputError: If its file system cannot share memory, as network drives cannot.
        """
        connection = self.engine.raw_connection()
        try:
            cursor = connection.cursor()
            cursor.execute("PRAGMA journal_mode = WAL")
            (mode,) = cursor.fetchone() or (None,)
        finally:
            connection.close()
        if mode != "wal":
            raise OutputError(
                f"{self.name} must lie on a disk of this machine, but its file system shares no"
                f" memory (journal mode {mode!r}). Choose another folder, or a PostgreSQL server."
            )

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    @contextmanager
    def _plainly(self) -> Iterator[None]:
        try:
            yield
        except DatabaseError as error:
            raise self._said(error) from error

    def _said(self, error: DatabaseError) -> Exception:
        text = str(error.orig).lower()
        if "full" in text or "no space" in text:
            return OutputError(
                f"the ledger {self.name} needs room on the disk, and there is none; nothing of this"
                " was saved. Free some space and try again."
            )
        if any(said in text for said in FORBIDDEN):
            return OutputError(
                f"the ledger {self.name} must be writable, with the folder that it lies in:"
                f" {error.orig}. Give yourself the right to write there, or copy the campaign."
            )
        if "database is locked" in text:
            return LedgerError(
                f"the ledger {self.name} was being written by others for {BUSY_SECONDS:g} seconds;"
                " nothing of this was saved. Try again."
            )
        if "not a database" in text or "malformed" in text:
            return TableError(
                f"{self.name} must be a ledger, and is none or is damaged: {error.orig}."
                " Restore it from a backup; `medgraft active export` makes one."
            )
        if isinstance(error, OperationalError):
            return OutputError(f"the ledger {self.name} cannot be reached: {error.orig}.")
        return error


def _sqlite(url: URL) -> Engine:
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions begin where we say so
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA recursive_triggers = ON")  # REPLACE asks them as well

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes")
        if writes is None:
            connection.exec_driver_sql("BEGIN")
            return
        # in WAL mode NORMAL leaves out the one fsync, and keeps the order of transactions
        manner = "FULL" if writes == "durable" else "NORMAL"
        connection.exec_driver_sql(f"PRAGMA synchronous = {manner}")
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _postgresql(url: URL) -> Engine:
    engine = create_engine(
        url, isolation_level="READ COMMITTED", pool_pre_ping=True, pool_recycle=LONG_AGO
    )

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes")
        if writes is None:
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            return
        manner = "on" if writes == "durable" else "off"
        connection.exec_driver_sql(f"SET LOCAL synchronous_commit = {manner}")
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{BUSY_SECONDS:g}s'")
        if connection.get_execution_options()["locked"]:
            connection.exec_driver_sql(f"LOCK TABLE {leases.name} IN EXCLUSIVE MODE")

    return engine
