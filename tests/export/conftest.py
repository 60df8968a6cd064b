"""A run on the bright spots of the training tests, made once, and its exported file."""

import pytest
import torch

from medgraft.cli.__main__ import main
from medgraft.train.train import train
from tests.train.conftest import make_spots, quick


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Several test processes with several threads each would only wait for each other."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def spotted(tmp_path_factory):
    """Folder of the images, and a run on them, cut after a stage."""
    folder = tmp_path_factory.mktemp("spots")
    recipe = quick(after="layer1", epochs=3, rate=1e-2, augment=("none",), size=40)
    return folder, train(make_spots(folder), folder / "run", recipe, command=[])


@pytest.fixture(scope="session")
def exported(spotted, tmp_path_factory):
    """The file that `medgraft export` wrote for that run."""
    out = tmp_path_factory.mktemp("exported") / "spots.onnx"
    assert main(["export", str(spotted[1].path), "--to", "onnx", "--out", str(out)]) == 0
    return out
