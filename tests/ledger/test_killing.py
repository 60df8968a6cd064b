"""No label that was said to be saved is lost, and none is there twice."""

import json
import subprocess
import sys
from collections import Counter

import pytest

from tests.ledger import slow_twin

KILLS = 100
IMAGES = 3000


@pytest.mark.slow
def test_a_hundred_kills_lose_no_saved_label_and_double_none(begin, place):
    ledger = begin(count=IMAGES)
    command = [sys.executable, "-m", "tests.ledger.killing", str(place), str(KILLS), "7"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    events = list(ledger.events())
    found = {(e.reader, e.request): (e.image_id, e.labels[0]) for e in events}
    meant = {
        (reader, one["request"]): (one["image"], one["label"])
        for reader, said in told["said"].items()
        for one in said
    }
    saved = {
        (reader, one["request"])
        for reader, said in told["said"].items()
        for one in said
        if one["saved"]
    }

    assert not saved - found.keys(), "a saved label is lost"
    assert found == {key: meant[key] for key in found}, "a label is not what was meant"
    images = Counter(e.image_id for e in events)
    assert max(images.values()) == 1, "a label is doubled, or two readers had one image at once"
    assert {e.act for e in events} == {"answer"}

    readings, standings = slow_twin.standing(
        ledger.campaign, ("anna", "ben"), ledger.labels()["image_id"].to_list(), events
    )
    assert {(r.image_id, r.reader): r.labels for r in ledger.readings()} == {
        (image, reader): labels
        for image, said in readings.items()
        for reader, (_, labels) in said.items()
    }
    table = {row[0]: (row[2], row[3] and (row[3],)) for row in ledger.labels().iter_rows()}
    assert table == standings
    if ledger.database.engine.dialect.name == "sqlite":
        with ledger.database.engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"

    # The test says something only if clients were killed at work, some in the midst of an answer.
    assert told["in_doubt"] >= KILLS // 10
    assert len(saved) >= KILLS // 2
    assert images.total() < IMAGES, "the queue ran empty"
