"""A small archive that can be learnt in seconds: a bright spot, left or right."""

import hashlib

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from medgraft.index import Index
from medgraft.train.recipe import Recipe

QUICK = {
    "backbone": "resnet18",
    "after": "layer3",
    "size": 32,
    "epochs": 2,
    "batch_size": 8,
    "augment": ("films",),
    "precision": "float32",
    "memory_format": "contiguous",
    "replicates": 50,
    "threads": 1,
}


def quick(**changes):
    return Recipe(**{**QUICK, **changes})


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Several test processes with several threads each would only wait for each other."""
    torch.set_num_threads(1)


@pytest.fixture
def spots(tmp_path):
    """Path of an index, see `make_spots`."""
    return make_spots(tmp_path)


def make_spots(folder):
    """Write an index of 48 images of 24 patients, classes left and right."""
    rng = np.random.default_rng(0)
    rows = []
    (folder / "images").mkdir()
    for number in range(48):
        side = number % 2
        pixels = rng.integers(0, 80, (32, 32), dtype=np.uint8)
        pixels[10:22, 4 + 16 * side : 14 + 16 * side] += 120
        name = f"images/{number:02d}.png"
        Image.fromarray(pixels).save(folder / name)
        split = "test" if number < 12 else "val" if number < 20 else "train"
        rows.append(
            {
                "image_id": hashlib.sha256(f"{folder}/{name}".encode()).hexdigest(),
                "path": name,
                "patient_id": f"p{number // 2:02d}",
                "side": ("left", "right")[side],
                "split": split,
                "shape": [1, 32, 32],
                "bits": 8,
            }
        )
    index = Index(pl.DataFrame(rows), folder, labels=("side",), layout="csv")
    index.save(folder / "spots.parquet")
    return folder / "spots.parquet"
