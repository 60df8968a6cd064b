"""Features are what the network itself makes of an image, whatever else is in the batch."""

import numpy as np
import pytest
import torch

from medgraft.errors import UnknownNameError
from medgraft.nets import create
from medgraft.train.batches import Placement
from medgraft.train.features import pooled_features
from medgraft.train.predict import Arrays
from medgraft.train.supervised import Normalisation, Predictor


@pytest.fixture
def predictor():
    torch.manual_seed(0)
    network = create("resnet18", in_channels=1, classes=2, after="layer2").network
    return Predictor(
        network, "exclusive", Normalisation((0.4,), (0.2,), "here"), Placement(torch.device("cpu"))
    )


@pytest.fixture
def images():
    return Arrays(np.random.default_rng(0).integers(0, 256, (5, 1, 32, 32), np.uint8), 255)


def test_features_are_the_networks_own(predictor, images):
    found = pooled_features(predictor, images, np.array([4, 0, 2]), ["stem", "layer2"])
    assert list(found) == ["stem", "layer2"]
    for place, row in enumerate([4, 0, 2]):
        x = torch.from_numpy(images.array[row : row + 1] / np.float32(255))
        for stage, rows in found.items():
            with torch.no_grad():
                own = predictor.network.features((x - 0.4) / 0.2, stage)[0]
            np.testing.assert_allclose(rows[place], own.numpy(), rtol=1e-4, atol=1e-5)


def test_all_stages_if_none_is_named(predictor, images):
    found = pooled_features(predictor, images, np.arange(5))
    assert {n: f.shape for n, f in found.items()} == {
        name: (5, predictor.network.backbone.channels[name])
        for name in predictor.network.backbone.names
    }


def test_an_unknown_stage_is_refused_with_the_near_names(predictor, images):
    with pytest.raises(UnknownNameError, match="layer1"):
        pooled_features(predictor, images, np.arange(2), ["layer11"])
