"""Real files that several benchmarks use."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import polars as pl

from medgraft.files import sha256
from medgraft.index import Index

DATA = Path(os.environ.get("MEDGRAFT_DATA", Path(__file__).parents[2] / "shared" / "data"))


def films(count: int) -> list[tuple[Path, str]]:
    """Chest films (JPEG, 224 x 224) with their class, evenly spread over `cxr-kermany`.

    Raises:
        FileNotFoundError: If the data are not there; set MEDGRAFT_DATA.
    """
    root = DATA / "cxr-kermany"
    with (root / "labels.csv").open(encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    chosen = rows[:: max(1, len(rows) // count)][:count]
    return [(root / row["file"], row["label"]) for row in chosen]


def index_of(files: list[tuple[Path, str]]) -> Index:
    """An index of these files, as `medgraft index` makes it."""
    root = files[0][0].parents[2]
    frame = pl.DataFrame(
        {
            "image_id": [sha256(path) for path, _ in files],
            "path": [str(path.relative_to(root)) for path, _ in files],
            "bits": [8] * len(files),
        }
    )
    return Index(frame=frame, root=root)
