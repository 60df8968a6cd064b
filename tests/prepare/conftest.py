"""Small archives, made where they are needed."""

import hashlib
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from medgraft.index import Index


def index_of(root: Path, bits: int | None = 8, paths=None) -> Index:
    """An index of all files of a folder, sorted by name, or of some of them."""
    paths = paths or sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())
    ids = [
        hashlib.sha256((root / p.partition("#")[0]).read_bytes()).hexdigest()
        if (root / p.partition("#")[0]).is_file()
        else hashlib.sha256(p.encode()).hexdigest()
        for p in paths
    ]
    frame = pl.DataFrame({"image_id": ids, "path": paths}).with_columns(
        pl.lit(bits, pl.Int64).alias("bits")
    )
    return Index(frame, root)


def add_pictures(root: Path, numbers, size=(20, 26), deep=False):
    """Write pictures that their numbers make unlike each other."""
    root.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        kind = np.uint16 if deep else np.uint8
        values = np.random.default_rng(number).integers(0, np.iinfo(kind).max, size, kind)
        Image.fromarray(values).save(root / f"p{number:04d}.png")


@pytest.fixture
def archive(tmp_path):
    """A folder of twelve pictures."""
    root = tmp_path / "films"
    add_pictures(root, range(12))
    return root
