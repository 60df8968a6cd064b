"""Small images and indexes, made where they are needed."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from medgraft.index import Index


@pytest.fixture
def picture():
    """Write a picture that its number makes unlike the others; returns its path."""

    def write(path: Path, number: int = 0, size=(24, 20)) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        values = np.random.default_rng(number).integers(0, 256, size, dtype=np.uint8)
        Image.fromarray(values).save(path)
        return path

    return write


@pytest.fixture
def classes(tmp_path, picture):
    """A folder per class, four pictures in each."""
    root = tmp_path / "films"
    for number in range(8):
        picture(root / ("ill", "well")[number % 2] / f"p{number // 2}_{number}.png", number)
    return root


@pytest.fixture
def table():
    """An index in memory from columns; paths and contents are made up where not given."""

    def make(**columns) -> Index:
        count = len(next(iter(columns.values())))
        rows = {
            "image_id": [f"i{k:04}" for k in range(count)],
            "path": [f"{k:04}.png" for k in range(count)],
        } | columns
        labels = [n for n in rows if n.startswith("label")]
        frame = pl.DataFrame(rows, schema_overrides={"patient_id": pl.String, "group": pl.String})
        return Index(frame, Path.cwd(), tuple(labels))

    return make
