"""Have the database itself refuse to change or remove what is written once."""

from __future__ import annotations

from sqlalchemy import Connection, PrimaryKeyConstraint, Table, UniqueConstraint

from medgraft.ledger.schema import WRITTEN_ONCE


def guard(connection: Connection) -> None:
    """Add triggers that refuse to change or remove a row of the tables that only grow.

    Whoever owns the database can drop a trigger; nobody changes an event by a statement alone.
    """
    write = _of_sqlite if connection.dialect.name == "sqlite" else _of_postgresql
    for table in WRITTEN_ONCE:
        for statement in write(table):
            connection.exec_driver_sql(statement)


def _of_sqlite(table: Table) -> list[str]:
    name = table.name
    refuse = f"BEGIN SELECT RAISE(ABORT, '{name} only grow: add an event instead'); END"
    # INSERT OR REPLACE would remove the old row without asking the trigger for removals
    taken = " OR ".join(_exists(name, key) for key in _keys(table))
    return [
        f"CREATE TRIGGER {name}_stay BEFORE UPDATE ON {name} {refuse}",
        f"CREATE TRIGGER {name}_remain BEFORE DELETE ON {name} {refuse}",
        f"CREATE TRIGGER {name}_once BEFORE INSERT ON {name} WHEN {taken} {refuse}",
    ]


def _keys(table: Table) -> list[list[str]]:
    unique = [
        c for c in table.constraints if isinstance(c, UniqueConstraint | PrimaryKeyConstraint)
    ]
    return sorted([column.name for column in constraint.columns] for constraint in unique)


def _exists(name: str, key: list[str]) -> str:
    same = " AND ".join(f"{column} = NEW.{column}" for column in key)
    return f"EXISTS (SELECT 1 FROM {name} WHERE {same})"  # noqa: S608 (names of our own schema)


def _of_postgresql(table: Table) -> list[str]:
    name = table.name
    return [
        f"CREATE FUNCTION {name}_refuse() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION '{name} only grow: add an event instead'; END $$",
        f"CREATE TRIGGER {name}_stay BEFORE UPDATE OR DELETE ON {name}"
        f" FOR EACH ROW EXECUTE FUNCTION {name}_refuse()",
        f"CREATE TRIGGER {name}_remain BEFORE TRUNCATE ON {name}"
        f" FOR EACH STATEMENT EXECUTE FUNCTION {name}_refuse()",
    ]
