"""Open a ledger, or begin one."""

from __future__ import annotations

import secrets
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from medgraft.errors import LedgerError, OutputError, TableError
from medgraft.files import replacing
from medgraft.ledger.campaign import Campaign
from medgraft.optional import require

if TYPE_CHECKING:
    from sqlalchemy import URL

    from medgraft.ledger.database import Database
    from medgraft.ledger.ledger import Ledger

DRIVER = "postgresql+psycopg"


def open_ledger(where: str | Path, *, create: Campaign | None = None) -> Ledger:
    """Open the ledger of a campaign, or begin it.

    Args:
        where: A file (SQLite), or the URL of a database: ``postgresql://user@host/database``,
            which holds one campaign. SQLite needs a disk of this machine, not a network drive.
        create: The campaign to begin; None opens what is there.

    Raises:
        MissingExtraError: If SQLAlchemy, or the driver of PostgreSQL, is not installed.
        TableError: If there is no ledger, or it is not one of this version.
        OutputError: If there is one already and `create` was given, or it cannot be written.
    """
    require("sqlalchemy", extra="label", purpose="a ledger of labels")
    from medgraft.ledger.database import Database
    from medgraft.ledger.ledger import Ledger

    url = _url(where)
    if url.get_backend_name() == "sqlite":
        file = Path(url.database or "")
        _check_file(file, new=create is not None)
        if create is not None:
            with replacing(file) as temporary:
                _begin(url.set(database=str(temporary)), create)
    elif create is not None:
        _begin(url, create)
    database = Database(url)
    try:
        identity, campaign = _campaign(database)
    except BaseException:
        database.close()
        raise
    return Ledger(database, campaign, identity)


def _url(where: str | Path) -> URL:
    from sqlalchemy import URL, make_url
    from sqlalchemy.exc import ArgumentError as BadURLError

    if isinstance(where, Path) or "://" not in where:
        return URL.create("sqlite", database=str(where))
    try:
        url = make_url(where)
    except BadURLError as error:
        raise LedgerError(
            "the place of a ledger must be a file or a URL such as postgresql://user@host/database,"
            f" got what is neither: {error}."
        ) from error
    if url.get_backend_name() == "postgresql":
        require("psycopg", extra="postgres", purpose="a ledger in PostgreSQL")
        return url.set(drivername=DRIVER)
    if url.get_backend_name() == "sqlite" and url.database:
        return url
    raise LedgerError(
        "a ledger must be kept in SQLite or PostgreSQL, got"
        f" '{url.render_as_string(hide_password=True)}'. Give a file or a postgresql:// URL."
    )


def _check_file(file: Path, *, new: bool) -> None:
    if new and file.exists():
        raise OutputError(f"a new ledger needs a new file, but '{file}' exists. Choose another.")
    if not new and not file.is_file():
        raise TableError(
            f"the ledger '{file}' must exist, and does not."
            " `medgraft active start` begins a campaign with its ledger."
        )


def _begin(url: URL, campaign: Campaign) -> None:
    """Write the tables and the campaign, all or nothing."""
    from medgraft.ledger.database import Database

    with closing(Database(url)) as database:
        if url.get_backend_name() == "sqlite":
            database.append_to_a_log()
        _write(database, campaign)


def _write(database: Database, campaign: Campaign) -> None:
    from sqlalchemy import inspect

    from medgraft.ledger import append_only, clock, schema

    with database.writing(locked=False) as connection:
        if inspect(connection).has_table(schema.campaign.name):
            raise OutputError(
                f"a new ledger needs a database of its own, but {database.name} holds one."
                " Choose another database, or open that campaign."
            )
        schema.metadata.create_all(connection)
        append_only.guard(connection)
        connection.execute(
            schema.campaign.insert().values(
                id=secrets.token_hex(16),
                layout=schema.LAYOUT,
                settings=campaign.written(),
                at=clock.written(clock.now(connection)),
            )
        )


def _campaign(database: Database) -> tuple[str, Campaign]:
    from sqlalchemy import inspect, select

    from medgraft.ledger import schema

    with database.reading() as connection:
        if not inspect(connection).has_table(schema.campaign.name):
            raise TableError(
                f"{database.name} must hold a ledger, and holds none."
                " `medgraft active start` begins a campaign with its ledger."
            )
        row = connection.execute(select(schema.campaign)).one()
    if row.layout != schema.LAYOUT:
        raise TableError(
            f"the ledger {database.name} must have layout {schema.LAYOUT}, got {row.layout}."
            " Open it with the version of medgraft that wrote it."
        )
    return row.id, Campaign.parse(row.settings)
