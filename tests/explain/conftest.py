"""A run on the bright spots of the training tests, made once."""

import pytest
import torch

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
