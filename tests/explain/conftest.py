"""A run on the bright spots of the training tests, made once."""

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from medgraft.index import Index
from medgraft.train.train import train
from tests.train.conftest import make_spots, quick


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Several test processes with several threads each would only wait for each other."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def spotted(tmp_path_factory):
    """Folder of the images, and a run that has learnt to tell left from right."""
    folder = tmp_path_factory.mktemp("spots")
    recipe = quick(after="layer1", epochs=12, rate=1e-2, augment=("none",))
    return folder, train(make_spots(folder), folder / "run", recipe, command=[])


@pytest.fixture(scope="session")
def hunted(tmp_path_factory):
    """Folder of the images, and a run that tells images with a spot, left or right, from empty ones."""
    folder = tmp_path_factory.mktemp("hunt")
    rng = np.random.default_rng(1)
    index = Index.load(make_spots(folder))
    present = [number // 2 % 2 == 1 for number in range(len(index.frame))]
    for path, kept in zip(index.frame["path"], present, strict=True):
        if not kept:
            noise = rng.integers(0, 80, (32, 32), dtype=np.uint8)
            Image.fromarray(noise).save(folder / path)
    frame = index.frame.with_columns(
        image_id=pl.concat_str(pl.lit("e"), pl.col("image_id").str.slice(1)),
        spot=pl.Series(["present" if kept else "absent" for kept in present]),
    )
    Index(frame.drop("side"), folder, labels=("spot",), layout="csv").save(folder / "hunt.parquet")
    recipe = quick(after="layer1", epochs=12, rate=1e-2, augment=("none",))
    return folder, train(folder / "hunt.parquet", folder / "run", recipe, command=[])
