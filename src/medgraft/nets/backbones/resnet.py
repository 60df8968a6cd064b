"""Residual networks."""

from __future__ import annotations

from typing import Any

from medgraft.nets.backbones import Parts, backbone
from medgraft.nets.backbones._timm import chain, create, parts


@backbone(
    "resnet18", "resnet34", "resnet50", "resnet101", source="He et al. 2015, arXiv:1512.03385"
)
def resnet(name: str, in_channels: int, **options: Any) -> Parts:
    """Stages: stem, layer1 ... layer4."""
    net: Any = create(name, in_channels, **options)
    return parts(
        net,
        {
            "stem": chain(conv1=net.conv1, bn1=net.bn1, act1=net.act1, maxpool=net.maxpool),
            "layer1": net.layer1,
            "layer2": net.layer2,
            "layer3": net.layer3,
            "layer4": net.layer4,
        },
    )
