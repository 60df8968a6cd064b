"""A disk that fills up, a folder that cannot be written, a pool of many images, other threads."""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event

from medgraft.errors import OutputError
from medgraft.ledger import open_ledger
from tests.ledger.conftest import images
from tests.ledger.test_ledger import read

ON_A_FILE = pytest.mark.parametrize("place", ["sqlite"], indirect=True)  # a server has its own


@ON_A_FILE
def test_a_disk_that_is_full_loses_nothing_that_was_saved(begin, place):
    ledger = begin(("anna",), count=200)
    saved = [read(ledger, "anna", "normal") for _ in range(3)]
    engine = ledger.database.engine
    with engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()

    @event.listens_for(engine, "begin")
    def no_room(connection):
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    def go_on():
        while True:
            saved.append(read(ledger, "anna", "normal", model="m" * 500))

    with pytest.raises(OutputError, match="needs room on the disk, and there is none"):
        go_on()
    event.remove(engine, "begin", no_room)
    engine.dispose()  # room again
    assert [e.image_id for e in ledger.events()] == saved
    assert read(ledger, "anna", "normal") not in saved


READ_ONLY = """
import sys
from pathlib import Path
from medgraft.errors import OutputError
from medgraft.ledger import open_ledger
try:
    ledger = open_ledger(Path(sys.argv[1]))
    ledger.answer("anna", "image-0", "normal")
except OutputError as error:
    print("refused:", error)
"""


@ON_A_FILE
def test_a_folder_that_cannot_be_written_is_an_error_in_one_line(begin, place, tmp_path):
    ledger = begin(("anna",))
    ledger.next("anna")
    ledger.close()
    as_others = []
    if os.geteuid() == 0:  # root may write everywhere, unless that power is given up
        if shutil.which("setpriv") is None:
            pytest.skip("root may write everywhere, and setpriv is not installed")
        as_others = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
    place.chmod(0o444)
    tmp_path.chmod(0o555)
    try:
        done = subprocess.run(
            [*as_others, sys.executable, "-c", READ_ONLY, str(place)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    finally:
        tmp_path.chmod(0o755)
        place.chmod(0o644)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("refused: the ledger sqlite:///")
    assert "must be writable" in done.stdout
    assert not list(open_and_close(place))


def open_and_close(place):
    ledger = open_ledger(place)
    found = list(ledger.events())
    ledger.close()
    return found


@ON_A_FILE
def test_the_next_image_is_found_by_keys_alone_however_many_there_are(begin):
    """No statement of next, answer, undo or of a dispute reads a table that grows from end to end."""
    ledger = begin(count=50)
    asked = []

    @event.listens_for(ledger.database.engine, "before_cursor_execute")
    def note(connection, cursor, statement, parameters, context, many):
        if statement.startswith(("SELECT", "UPDATE", "DELETE")):
            asked.append((statement, parameters[0] if many else parameters))

    read(ledger, "anna", "normal")
    ledger.undo("anna")
    ledger.lease("ben", count=3)
    ledger.renew("ben")
    ledger.admit("chief", "adjudicator")
    ledger.unsure("ben", ledger.next("ben").image_id)
    assert len(ledger.lease_disputes("chief", count=3)) == 1
    event.remove(ledger.database.engine, "before_cursor_execute", note)
    assert len(asked) > 20
    with ledger.database.engine.connect() as connection:
        for statement, parameters in asked:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            for step in plan.scalars(3):
                table = step.removeprefix("SCAN ").split()[0]
                assert not step.startswith("SCAN") or table in ("readers", "SUBQUERY"), (
                    f"{step} of {statement}"
                )


def test_many_threads_answer_every_image_once(begin):
    """As a web server asks: one ledger, many threads."""
    names = [f"reader-{n}" for n in range(6)]
    ledger = begin(names, count=60, readers_per_image=2)

    def work(name):
        done = []
        while (leased := ledger.next(name)) is not None:
            ledger.answer(name, leased.image_id, "normal")
            done.append(leased.image_id)
        return done

    with ThreadPoolExecutor(6) as pool:
        done = list(pool.map(work, names))
    assert sum(map(len, done)) <= 120
    for name in names:  # whoever found the rest in others' hands may come again
        work(name)
    said = ledger.readings()
    assert len(said) == 120
    assert len({(one.image_id, one.reader) for one in said}) == 120
    assert set(ledger.labels()["status"]) == {"agreed"}


def test_a_batch_of_thousands_is_queued_whole_or_not_at_all(begin):
    ledger = begin(("anna",), count=0)
    with pytest.raises(Exception, match="JSON with finite"):
        ledger.queue(1, [*images(2000), *images(1, first=2000)[:0], bad()])
    assert ledger.progress().images == 0
    ledger.queue(1, images(2000))
    assert ledger.progress().waiting == {"anna": 2000}


def bad():
    from medgraft.ledger import Queued

    return Queued("bad", 10**6, {"score": float("inf")})
