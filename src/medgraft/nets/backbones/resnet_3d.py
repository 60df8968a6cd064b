"""Residual networks of volumes: those of MONAI, shaped so that the weights of MedicalNet fit."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from medgraft.nets.backbones import Parts, backbone
from medgraft.nets.backbones._timm import chain, parts
from medgraft.optional import require

LAYERS = {
    "resnet10_3d": ("basic", [1, 1, 1, 1]),
    "resnet18_3d": ("basic", [2, 2, 2, 2]),
    "resnet34_3d": ("basic", [3, 4, 6, 3]),
    "resnet50_3d": ("bottleneck", [3, 4, 6, 3]),
}
WITHOUT_PARAMETERS = ("resnet18_3d", "resnet34_3d")  # whose shortcuts have none in MedicalNet


class Shortcut(nn.Module):
    """Every so-manieth voxel, and channels of zeros beyond its own: a shortcut that learns nothing.

    MONAI's own (its type "A") cuts the gradient; this one gives the same values and lets it
    through.
    """

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.channels = channels
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, I, J, K) to (B, channels, I / stride, J / stride, K / stride), rounded up."""
        step = slice(None, None, self.stride)
        return F.pad(x[:, :, step, step, step], (0,) * 7 + (self.channels - x.shape[1],))


@backbone(*LAYERS, dims=3, source="Chen et al. 2019 (MedicalNet), arXiv:1904.00625; MONAI")
def resnet_3d(name: str, in_channels: int, *, stem_stride: int = 2) -> Parts:
    """Stages: stem, layer1 ... layer4, at strides 4, 4, 8, 16 and 32.

    `stem_stride` of 1 halves all strides, for small volumes. MedicalNet dilates layer3 and
    layer4 in place of their strides, which changes no weight.
    """
    module: Any = require(
        "monai.networks.nets.resnet", extra="volumes", purpose=f"the backbone {name}"
    )
    block, layers = LAYERS[name]
    bare = name in WITHOUT_PARAMETERS
    net = module.ResNet(
        block,
        layers,
        [64, 128, 256, 512],
        n_input_channels=in_channels,
        conv1_t_stride=stem_stride,
        shortcut_type="A" if bare else "B",
        bias_downsample=False,
        feed_forward=False,
    )
    if bare:
        for layer in (net.layer2, net.layer3, net.layer4):
            layer[0].downsample = Shortcut(layer[0].conv1.out_channels, layer[0].stride)
    stem = chain(conv1=net.conv1, bn1=net.bn1, act=net.act, maxpool=net.maxpool)
    return parts(
        net, {"stem": stem, **{f"layer{n}": getattr(net, f"layer{n}") for n in range(1, 5)}}
    )
