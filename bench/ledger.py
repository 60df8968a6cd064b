"""Answers in a campaign of many images: what a person waits for."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.timing import Table
from medgraft.ledger import Campaign, Class, Queued, open_ledger
from medgraft.ledger.ledger import Ledger

SMALL, LARGE = 1_000, 100_000
REPEATS = 200
READERS = ("anna", "ben")


def measure() -> Table:
    """Time the same acts on a small and on a large queue, in turn."""
    with tempfile.TemporaryDirectory() as folder:
        ledgers = {
            count: _ledger(Path(folder) / f"{count}.sqlite", count) for count in (SMALL, LARGE)
        }
        acts: list[tuple[str, Callable[[Ledger], object]]] = [
            ("give the next image", lambda ledger: ledger.next("anna")),
            ("give the next four", lambda ledger: ledger.lease("anna", count=4)),
            ("give one, save its answer", _answer),
            ("undo", lambda ledger: ledger.undo("anna")),
            ("count the progress", lambda ledger: ledger.progress()),
        ]
        rows = [(name, *_cells(ledgers, act)) for name, act in acts]
        for ledger in ledgers.values():
            ledger.close()
    return Table(
        title="The ledger of labels",
        text=(
            f"A SQLite ledger with two readers per image; median and slowest of {REPEATS}. An answer is on the"
            " disk (fsync) when it is saved, so its time is that of the disk. None of it grows with the queue:"
            f" the last column is the ratio of {LARGE:,} images to {SMALL:,}."
        ),
        header=("what", f"{SMALL:,} images", f"{LARGE:,} images", "slowest", "takes longer by"),
        rows=tuple(rows),
        packages=("sqlalchemy",),
    )


def _ledger(path: Path, count: int) -> Ledger:
    campaign = Campaign("bench", (Class("normal"), Class("pneumonia")), readers_per_image=2)
    ledger = open_ledger(path, create=campaign)
    for name in READERS:
        ledger.admit(name)
    ledger.queue(
        1,
        [
            Queued(f"{n:064x}", n, {"score": 1.0}, {"normal": 0.5, "pneumonia": 0.5})
            for n in range(count)
        ],
    )
    return ledger


def _answer(ledger: Ledger) -> None:
    leased = ledger.next("anna")
    assert leased is not None
    ledger.answer("anna", leased.image_id, "normal", seconds=1.0)


def _cells(ledgers: dict[int, Ledger], act: Callable[[Ledger], object]) -> tuple[str, ...]:
    taken: dict[int, list[float]] = {count: [] for count in ledgers}
    for _ in range(REPEATS):
        for count, ledger in ledgers.items():
            began = time.perf_counter()
            act(ledger)
            taken[count].append((time.perf_counter() - began) * 1e3)
    small, large = (statistics.median(taken[count]) for count in (SMALL, LARGE))
    slowest = max(taken[LARGE])
    return (f"{small:.2f} ms", f"{large:.2f} ms", f"{slowest:.1f} ms", f"{large / small:.1f}")
