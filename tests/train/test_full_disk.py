"""A disk that fills up while a run writes: one clear line, and what was there stays.

The file-size limit of the process stands in for the disk; both come back as an error of the
system, which safetensors and polars wrap each in their own way.
"""

import resource
from contextlib import contextmanager

import polars as pl
import pytest
import torch

from medgraft.errors import OutputError
from medgraft.files import replacing, write_text
from medgraft.nets import create
from medgraft.nets.weights import save_weights
from medgraft.train import checkpoint
from medgraft.train.checkpoint import Checkpoint


@contextmanager
def room(size):
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


def test_the_checkpoint_before_is_kept(tmp_path):
    checkpoint.save(tmp_path, Checkpoint({"w": torch.ones(10)}, {"step": 1}), step=1)
    with (
        room(10_000),
        pytest.raises(OutputError, match="it is full; nothing was replaced") as found,
    ):
        checkpoint.save(tmp_path, Checkpoint({"w": torch.ones(10_000)}, {"step": 2}), step=2)
    assert "\n" not in str(found.value)
    assert checkpoint.load(tmp_path).state == {"step": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["step-000000001.safetensors"]


def test_the_weights_before_are_kept(tmp_path):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"older")
    network = create("mobilenetv3_small_100", in_channels=1, classes=2).network
    with room(10_000), pytest.raises(OutputError, match="full"):
        save_weights(network, path, {})
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == b"older"


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_tables_say_so_too(kind, tmp_path):
    table = pl.DataFrame({"p": torch.rand(100_000).tolist()})
    with room(10_000), pytest.raises(OutputError, match="full"), replacing(tmp_path / "t") as part:
        getattr(table, f"write_{kind}")(part)
    assert not list(tmp_path.iterdir())


def test_text_says_so_too(tmp_path):
    with room(1_000), pytest.raises(OutputError, match="full"):
        write_text(tmp_path / "history.csv", "x" * 10_000)
    assert not list(tmp_path.iterdir())
