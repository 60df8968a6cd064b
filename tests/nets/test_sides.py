"""The least side of images: what the whole network declares, and less for one that was cut."""

import pytest
import torch

from medgraft.nets import create, outline
from medgraft.nets.backbones import find
from medgraft.nets.sides import least_side


@pytest.mark.parametrize(
    ("name", "after", "least"),
    [
        ("resnet18", None, 32),
        ("resnet18", "layer1", 4),
        ("unet3d", "level3", 8),
        ("unet2d", "level1", 2),
        ("mobilenetv3_small_100", None, 32),  # whose last stage follows a global pool
        ("inception_v3", None, 75),
    ],
)
def test_it_shrinks_with_the_stride_of_the_last_stage(name, after, least):
    assert least_side(outline(name, after=after)) == least


def test_without_padding_it_is_the_first_side_that_leaves_a_pixel():
    backbone = create("inception_v3", in_channels=1, classes=2, after="stem1").network.backbone
    least = least_side(backbone.eval())
    assert 4 < least < find("inception_v3").smallest_side
    with torch.inference_mode():
        assert min(backbone(torch.zeros(1, 1, least, least)).shape[2:]) == 1
        with pytest.raises(RuntimeError):
            backbone(torch.zeros(1, 1, least - 1, least - 1))


def test_a_network_with_finer_strides_takes_smaller_images():
    fine = create(
        "resnet10_3d", in_channels=1, classes=2, after="layer1", options={"stem_stride": 1}
    )
    assert least_side(fine.network.backbone) == 2
