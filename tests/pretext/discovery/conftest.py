"""Small archives without labels: pictures with one blob, and volumes with one ball."""

import hashlib

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from medgraft.index import Index

GROUND, EDGE = 40, 24


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Several test processes with several threads each would only wait for each other."""
    torch.set_num_threads(1)


def picture(seed):
    """A noisy picture of side 24 with a bright blob somewhere: everything is tissue."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(GROUND, GROUND + 40, (EDGE, EDGE), dtype=np.uint8)
    row, column = rng.integers(0, EDGE - 6, 2)
    pixels[row : row + 6, column : column + 6] += 120
    return pixels


def write_archive(folder, pixels, splits=None):
    """Write pictures or volumes and their index; returns the path of the index."""
    rows = []
    for number, array in enumerate(pixels):
        name = f"{number:02d}.png" if array.ndim == 2 else f"{number:02d}.npy"
        if array.ndim == 2:
            Image.fromarray(array).save(folder / name)
        else:
            np.save(folder / name, array)
        rows.append(
            {
                "image_id": hashlib.sha256((folder / name).read_bytes()).hexdigest(),
                "path": name,
                "patient_id": f"p{number:02d}",
                "split": splits[number] if splits else None,
                "shape": [1, *array.shape],
                "bits": 8,
            }
        )
    schema = {"split": pl.String}
    frame = pl.DataFrame(rows, schema_overrides=schema)
    Index(frame, folder, layout="folders").save(folder / "scans.parquet")
    return folder / "scans.parquet"


@pytest.fixture
def pictures(tmp_path):
    """Index of 12 pictures in no part."""
    return write_archive(tmp_path, [picture(n) for n in range(12)])
