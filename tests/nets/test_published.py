"""The table of published accuracies against the library that published most of them."""

import pytest

from medgraft.nets.backbones import backbones
from medgraft.nets.published import PUBLISHED, TORCHVISION

THEIRS = {
    "mnasnet_100": "mnasnet1_0",
    "mobilenetv2_100": "mobilenet_v2",
    "mobilenetv3_large_100": "mobilenet_v3_large",
    "mobilenetv3_small_100": "mobilenet_v3_small",
}


@pytest.mark.parametrize("name", [n for n, p in PUBLISHED.items() if p.source == TORCHVISION])
def test_accuracy_is_that_of_torchvision(name):
    models = pytest.importorskip("torchvision.models")
    weights = models.get_model_weights(THEIRS.get(name, name)).IMAGENET1K_V1
    assert PUBLISHED[name].top1 == weights.meta["_metrics"]["ImageNet-1K"]["acc@1"]


def test_every_architecture_of_the_table_can_be_trained():
    assert set(PUBLISHED) <= set(backbones.names())
