"""Two clients label while they are killed again and again: ``python -m tests.ledger.killing PLACE``.

A client is a process of its own. Before it answers it says what it will answer, as a page keeps it
in the browser; once the ledger has returned it says that the label is saved. When it is killed
it begins again, and first repeats what it does not know to be saved. Prints what was said.
"""

import json
import os
import random
import signal
import sys
import time

import psycopg  # noqa: F401 (all that a client needs is there before it is forked)
import sqlalchemy.dialects.postgresql.psycopg
import sqlalchemy.dialects.sqlite  # noqa: F401

import medgraft.ledger.ledger  # noqa: F401
from medgraft.ledger import open_ledger

READERS = ("anna", "ben")
LONGEST = 0.012  # seconds from what a client said to its end: as long as an answer takes


def work(place, reader, pending, out, life):
    """Label until killed."""
    ledger = open_ledger(place)
    if pending is not None:
        answer(ledger, reader, pending, out)
    for number in range(10**6):
        leased = ledger.next(reader)
        if leased is None:
            time.sleep(0.01)
            continue
        label = ledger.campaign.names[number % 2]
        mine = {"image": leased.image_id, "label": label, "request": f"{life}-{number}"}
        answer(ledger, reader, mine, out)
        time.sleep(0.005)  # who never rests never lets the other write


def answer(ledger, reader, mine, out):
    say(out, {"said": "will", **mine})
    ledger.answer(reader, mine["image"], mine["label"], request=mine["request"])
    say(out, {"said": "saved", **mine})


def say(out, what):
    os.write(out, json.dumps(what).encode() + b"\n")  # in one piece: shorter than a pipe's buffer


class Client:
    """A reader at a page that crashes."""

    def __init__(self, place, reader):
        self.place, self.reader, self.lives = place, reader, 0
        self.pending, self.said = None, []
        self.start()

    def start(self):
        self.lives += 1
        pipe, out = os.pipe()
        self.process = os.fork()
        if self.process == 0:
            try:
                work(self.place, self.reader, self.pending, out, f"{self.reader}-{self.lives}")
            finally:
                os._exit(1)
        os.close(out)
        self.lines = os.fdopen(pipe, "rb")

    def hear(self):
        """What it says next; False once it is dead and all is heard."""
        line = self.lines.readline()
        if not line:
            return False
        mine = json.loads(line)
        will = mine.pop("said") == "will"
        self.pending = mine if will else None
        self.said.append({**mine, "saved": not will})
        return True

    def kill(self):
        """Kill it at once, then hear what it said last."""
        os.kill(self.process, signal.SIGKILL)
        _, status = os.waitpid(self.process, 0)
        assert os.WTERMSIG(status) == signal.SIGKILL, f"{self.reader} had ended by itself"
        while self.hear():
            pass
        self.lines.close()


def main(place, kills, seed):
    draw = random.Random(seed)
    clients = [Client(place, reader) for reader in READERS]
    in_doubt = 0
    for _ in range(kills):
        client = draw.choice(clients)
        for _ in range(draw.randrange(4)):  # none: killed while it starts
            client.hear()
        time.sleep(draw.uniform(0, LONGEST))
        client.kill()
        in_doubt += client.pending is not None
        client.start()
    for client in clients:
        client.hear()
        client.kill()
    print(json.dumps({"in_doubt": in_doubt, "said": {c.reader: c.said for c in clients}}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
