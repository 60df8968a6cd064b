"""The auto-encoder has no way round its bottleneck, and learns to restore."""

import numpy as np
import pytest
import torch

from medgraft.errors import ArgumentError
from medgraft.nets import create_dense
from medgraft.pretext.discovery.autoencoder import Restoration, check_fits, train_autoencoder
from medgraft.train.batches import Placement
from medgraft.train.recipe import Recipe

CPU = Placement(torch.device("cpu"))


class Held:
    scale = 255

    def __init__(self, array):
        self.array = array

    def gather(self, rows):
        return self.array[rows]


def two_kinds(count=24):
    """Bright left or bright right."""
    array = np.full((count, 1, 16, 16), 30, np.uint8)
    array[::2, :, :, :8] = 220
    array[1::2, :, :, 8:] = 220
    return Held(array)


def test_the_bottleneck_is_the_only_path():
    network = create_dense("unet2d", in_channels=1, out_channels=1, skips=False).network.eval()
    last = network.backbone.names[-1]
    with torch.no_grad():
        answers = []
        for seed in range(2):
            image = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(seed))
            maps = network.encode(image)
            assert list(maps) == [last]
            maps[last].zero_()
            answers.append(network.decode(maps, image.shape[2:]))
    assert torch.equal(*answers)


def test_the_loss_is_the_squared_error_of_each_scan_summed():
    network = create_dense("unet2d", in_channels=1, out_channels=1, skips=False).network.eval()
    held = two_kinds(4)
    objective = Restoration(network, CPU, held, np.arange(4))
    images = torch.from_numpy(held.array / 255).float()
    with torch.no_grad():
        wanted = ((torch.sigmoid(network(images)) - images) ** 2).mean(dim=(1, 2, 3)).mean()
    assert objective.validate()["loss_val"] == pytest.approx(float(wanted), rel=1e-5)
    assert objective.validate()["score"] == pytest.approx(-float(wanted), rel=1e-5)


def test_it_restores_unseen_scans_better_than_their_mean():
    recipe = Recipe(
        epochs=14, batch_size=4, rate=3e-3, optimiser="adam", weight_decay=0, schedule="cosine"
    )
    found = train_autoencoder(
        two_kinds(),
        np.arange(16),
        np.arange(16, 24),
        backbone="unet2d",
        recipe=recipe,
        placement=CPU,
    )
    assert found.error < found.constant / 3
    assert found.history[-1]["loss"] < found.history[0]["loss"]


@pytest.mark.parametrize(
    ("backbone", "shape", "words"),
    [
        ("unet3d", (32, 32), "3 spatial axes, but these have 2"),
        ("unet2d", (8, 8), "at least 16 pixels"),
    ],
)
def test_an_encoder_that_does_not_fit_is_refused(backbone, shape, words):
    with pytest.raises(ArgumentError, match=words):
        check_fits(backbone, shape)
