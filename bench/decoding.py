"""Preparing an archive once and reading it from the store, against a loop over the decoder."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from bench.data import films, index_of
from bench.timing import Table, in_turn, milliseconds, ratio
from medgraft.prepare import default_steps
from medgraft.prepare.store import Store

COUNT, SIDE, BATCH = 5856, 64, 64


def measure() -> Table:
    """Time the first pass over the files and every later one."""
    files = films(COUNT)
    index, steps = index_of(files), default_steps(SIDE, 1)
    order = np.random.default_rng(0).permutation(len(files))

    def loop() -> None:
        for start in range(0, len(files), BATCH):
            np.stack([decode(files[row][0]) for row in order[start : start + BATCH]])

    def build() -> None:
        with tempfile.TemporaryDirectory() as cache:
            epoch(Store.open(index, steps, cache=cache))

    def epoch(store: Store) -> None:
        for start in range(0, len(files), BATCH):
            store.gather(store.rows[order[start : start + BATCH]])

    with tempfile.TemporaryDirectory() as cache:
        in_memory = Store.open(index, steps, cache=cache)
        on_disk = Store.open(index, steps, cache=cache, memory_bytes=0)
        rivals = {
            "loop": loop,
            "first": build,
            "later": lambda: epoch(in_memory),
            "mapped": lambda: epoch(on_disk),
        }
        timing = in_turn(rivals, repeats=5)
    titles = {
        "first": "first: decode, prepare, write, read",
        "later": "every later one, store in memory",
        "mapped": "every later one, store on disk",
    }
    return Table(
        title="Decoding and the array store",
        text=(
            f"One pass over {COUNT:,} chest films (JPEG, 224 x 224) in random order, as batches of"
            f" {BATCH} grey arrays of {SIDE} x {SIDE}. The loop is Pillow: open, decode, resize (box), stack,"
            " in one process. The store uses all cores for its first pass."
        ),
        header=("pass", "medgraft", "loop", "medgraft is faster by", "repeats"),
        rows=tuple(
            (
                title,
                milliseconds(timing.median(name)),
                milliseconds(timing.median("loop")),
                ratio(timing.times_faster(name, than="loop")),
                str(timing.repeats),
            )
            for name, title in titles.items()
        ),
        packages=("pillow", "numpy"),
    )


def decode(path: Path) -> np.ndarray:
    """What a script would do."""
    with Image.open(path) as image:
        return np.asarray(image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX))
