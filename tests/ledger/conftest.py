"""Ledgers to try, on both engines."""

import itertools

import pytest

from medgraft.ledger import Campaign, Class, Queued, open_ledger
from tests.ledger.postgresql import server

CLASSES = (Class("normal", "Clear lungs."), Class("pneumonia", "Any opacity."))
NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def postgresql():
    with server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request, tmp_path):
    """Where a ledger may begin: a file, and a schema of a real PostgreSQL server."""
    if request.param == "sqlite":
        return tmp_path / "ledger.sqlite"
    from sqlalchemy import create_engine, text

    url, schema = request.getfixturevalue("postgresql"), f"campaign_{next(NUMBERS)}"
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
    engine.dispose()
    return f"{url}&options=-csearch_path%3D{schema}"


def images(count, first=0):
    return [Queued(f"image-{n}", n, {"score": 1 / (n + 1)}) for n in range(first, first + count)]


@pytest.fixture
def begin(place):
    """Begin a ledger with readers and a queue; closed afterwards."""
    made = []

    def make(readers=("anna", "ben"), count=5, *, classes=CLASSES, **settings):
        ledger = open_ledger(place, create=Campaign("films", classes, **settings))
        made.append(ledger)
        for name in readers:
            ledger.admit(name)
        if count:
            ledger.queue(1, images(count))
        return ledger

    yield make
    for ledger in made:
        ledger.close()
