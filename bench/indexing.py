"""Indexing 100,000 files for the first time and again, against a loop that only hashes them."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from bench.data import films
from bench.timing import Table, in_turn, ratio, seconds
from medgraft.index.build import build

COUNT, DIFFERENT = 100_000, 50


def measure() -> Table:
    """Time the first index, the one after it, and the loop."""
    with tempfile.TemporaryDirectory() as folder:
        root, memory = Path(folder, "films"), Path(folder, "films.measured.parquet")
        tree(root)

        def first() -> None:
            memory.unlink(missing_ok=True)
            build(root, decode=False, remembered=memory)

        def again() -> None:
            found = build(root, decode=False, remembered=memory)
            assert found.recalled == COUNT

        rivals = {"loop": lambda: loop(root), "first": first, "again": again}
        timing = in_turn(rivals, repeats=3)
    titles = {"first": "for the first time", "again": "again, nothing has changed (`--update`)"}
    return Table(
        title="Indexing many files",
        text=(
            f"{COUNT:,} links to {DIFFERENT} chest films (JPEG, 224 x 224) in two class folders, `--no-decode`:"
            " names, classes and SHA-256 of every file. The loop is os.walk and hashlib, in one process, and makes"
            " no table. Files are in the memory of the system, so reading them costs next to nothing: with files on"
            " a disk, or decoded, the second time saves more."
        ),
        header=("pass", "medgraft", "loop", "files per second", "share of the first", "repeats"),
        rows=tuple(
            (
                title,
                seconds(timing.median(name)),
                seconds(timing.median("loop")),
                f"{COUNT / timing.median(name):,.0f}",
                ratio(timing.median(name) / timing.median("first")),
                str(timing.repeats),
            )
            for name, title in titles.items()
        ),
        packages=("polars",),
    )


def tree(root: Path, count: int = COUNT) -> None:
    """Two folders of links; a file system allows only so many links to one file."""
    kept = root / ".films"
    kept.mkdir(parents=True)
    for number, (path, _) in enumerate(films(DIFFERENT)[:DIFFERENT]):
        shutil.copy(path, kept / f"{number}.jpeg")
    for name in ("well", "ill"):
        (root / name).mkdir()
    for number in range(count):
        source = kept / f"{number % DIFFERENT}.jpeg"
        os.link(source, root / ("well", "ill")[number % 2] / f"p{number // 4:05}_{number:06}.jpeg")


def loop(root: Path) -> dict[str, str]:
    """What a script would do."""
    found = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as handle:
                found[path] = hashlib.sha256(handle.read()).hexdigest()
    return found
