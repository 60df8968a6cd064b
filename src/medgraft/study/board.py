"""How far many runs are: a live table on a terminal, a line per event in a log."""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from medgraft.runs import RunFolder

SHOWN = 12  # runs at a time; more would scroll


class Board:
    """What is told while runs are made.

    Attributes:
        total: Runs that were asked for.
        done: Runs that are finished, those of earlier calls included.
        broken: Runs that broke.
    """

    def __init__(self, folder: Path, total: int, done: int, epochs: Mapping[str, int]) -> None:
        self.total, self.done, self.broken = total, done, 0
        self.seconds_left: float | None = None
        self._folder, self._epochs = folder, epochs
        self._running: dict[str, float] = {}
        self._drawn = 0
        self._begun = 0
        self._first = done

    def began(self, name: str) -> None:
        """A run begins."""
        self._running[name] = time.monotonic()
        self._begun += 1
        if not sys.stderr.isatty():
            number = self._first + self._begun
            _say(f"run {number} of {self.total}: {name}{self._left()}\n")
        self.tick()

    def ended(self, name: str, failure: str | None) -> None:
        """A run is finished, or broke."""
        self._running.pop(name, None)
        self.done += failure is None
        self.broken += failure is not None
        if failure is not None:
            self.clear()
            _say(f"{name} broke: {failure}\n")
        self.tick()

    def tick(self) -> None:
        """Draw the table again, if there is a terminal to draw it on."""
        if not sys.stderr.isatty():
            return
        self.clear()
        lines = self.lines()
        _say("\n".join(lines) + "\n")
        self._drawn = len(lines)

    def clear(self) -> None:
        """Take the table off the terminal."""
        if self._drawn:
            _say(f"\x1b[{self._drawn}F\x1b[J")
            self._drawn = 0

    def lines(self) -> list[str]:
        """A line of counts, then one per run that is being made."""
        waiting = self.total - self.done - self.broken - len(self._running)
        broken = f", {self.broken} broken" if self.broken else ""
        head = (
            f"{self.done} of {self.total} runs done, {len(self._running)} running,"
            f" {waiting} waiting{broken}{self._left()}"
        )
        names = list(self._running)[:SHOWN]
        width = max(map(len, names), default=0)
        return [head, *(f"  {name:<{width}}  {self._progress(name)}" for name in names)]

    def _progress(self, name: str) -> str:
        now = time.monotonic()
        epoch = _epoch(RunFolder(self._folder / name).history)
        where = f"epoch {epoch:g} of {self._epochs[name]}" if epoch else "begins"
        return f"{where:<16} {_interval(now - self._running[name]):>8}"

    def _left(self) -> str:
        if self.seconds_left is None:
            return ""
        return f", about {_interval(self.seconds_left)} left"


def _epoch(history: Path) -> float:
    """Epochs that a run has passed, by the last row of its history; 0 before there is one."""
    try:
        rows: Sequence[Mapping[str, str]] = list(
            csv.DictReader(history.read_text(encoding="utf-8").splitlines())
        )
        return float(rows[-1]["epoch"])
    except (OSError, IndexError, KeyError, ValueError):
        return 0.0


def _interval(seconds: float) -> str:
    from tqdm import tqdm

    return str(tqdm.format_interval(seconds))


def _say(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
