"""A small archive to buy labels of, and a learner of it."""

import numpy as np
import polars as pl
import pytest
import torch

from medgraft.active.learner import Learner, Looks
from medgraft.active.oracle import hide
from medgraft.active.settings import Settings
from medgraft.active.simulate import simulate
from medgraft.index import Index
from medgraft.prepare.store import default_cache
from medgraft.train.hardware import Compute
from medgraft.train.setup import resolve
from tests.train.conftest import make_spots, quick

SMALL = {"after": "layer1", "strategy": "head", "replicates": 20}
ASKED = {
    "acquisitions": ("entropy", "aift"),
    "strategies": ("AFT", "ACFT(HQ)"),
    "batch": 4,
    "rounds": 3,
    "seeds": 2,
    "views": 2,
    "least_steps": 4,
}


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Several test processes with several threads each would only wait for each other."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def spots(tmp_path_factory):
    """Path of an index, see `make_spots`: 28 images to buy, 8 to validate, 12 to judge."""
    return make_spots(tmp_path_factory.mktemp("spots"))


def changed(path, out, **columns):
    """Save the index with other columns."""
    index = Index.load(path)
    index.with_frame(index.frame.with_columns(**columns)).save(out)
    return out


def play(index, out, *, settings=(), elsewhere=None, **recipe):
    """A small simulation."""
    asked = Settings(**{**ASKED, **dict(settings)})
    recipe = quick(**{**SMALL, **recipe})
    return simulate(index, out, recipe, asked, command=["medgraft"], elsewhere=elsewhere)


def make_learner(index, folder, *, looks=None, many=True, **changes):
    """A learner of the pool of an index, and the pool."""
    recipe = quick(**{**SMALL, **changes})
    hidden = hide(Index.load(index), recipe, default_cache())
    compute = Compute(torch.device("cpu"), "float32", "contiguous", "asked for")
    recipe = resolve(recipe, hidden.data, compute)
    learner = Learner.of(
        recipe,
        hidden.data,
        compute,
        hidden.pool,
        looks=looks or Looks(views=2),
        many=many,
        least_steps=4,
        folder=folder,
    )
    return learner, hidden


def truth_of(hidden, places):
    """The labels of some images, which nobody but the oracle may look at."""
    return np.asarray(hidden.data.target.matrix(hidden.truth[places]))


def frame_of(path):
    """The table of an index."""
    return pl.read_parquet(path)
