"""The record of a run: what was asked, on what, with which seed, and how long it took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from medgraft import __version__
from medgraft.errors import TableError
from medgraft.files import read_json, write_json
from medgraft.train.hardware import describe, versions

RUNNING, STOPPED, FINISHED = "running", "stopped", "finished"


class Record:
    """``run.json`` in the making; saved after every phase."""

    def __init__(self, path: Path, command: list[str], seed: int) -> None:
        self.path = path
        self.data: dict[str, Any] = {
            "medgraft": __version__,
            "command": command,
            "started": now(),
            "finished": None,
            "status": RUNNING,
            "seed": seed,
            "hardware": describe(),
            "versions": versions(),
            "seconds": {},
            "inputs": {},
            "data": {},
            "compute": {},
            "network": {},
            "kept": [],
            "best": {},
            "test_read": None,
            "resumed": 0,
            "notes": [],
        }

    def go_on(self) -> None:
        """Take over the times and counts of the run that was stopped."""
        try:
            before = read_json(self.path)
        except TableError:
            return
        self.data["started"] = before["started"]
        self.data["seconds"] = before["seconds"]
        self.data["kept"] = before["kept"]
        self.data["resumed"] = before["resumed"] + 1

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time a phase; the time of an interrupted phase counts too."""
        began = time.monotonic()
        try:
            yield
        finally:
            seconds = self.data["seconds"]
            seconds[name] = round(seconds.get(name, 0.0) + time.monotonic() - began, 2)

    def note(self, sentence: str) -> None:
        """Say something that a reader of the report must know; once."""
        if sentence not in self.data["notes"]:
            self.data["notes"].append(sentence)

    def save(self, status: str) -> None:
        """Write the record."""
        self.data["status"] = status
        if status == FINISHED:
            self.data["finished"] = now()
        write_json(self.path, self.data)


def now() -> str:
    """This moment, in ISO 8601 and UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")
