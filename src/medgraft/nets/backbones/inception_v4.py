"""Inception V4: every inception and reduction block is its own stage."""

from __future__ import annotations

from typing import Any

from torch import nn

from medgraft.nets.backbones import Parts, backbone
from medgraft.nets.backbones._timm import create, parts

NAMES = [
    *("conv1", "conv2", "conv3", "mixed_3a", "mixed_4a", "mixed_5a"),
    *(f"inception_a{n}" for n in range(1, 5)),
    "reduction_a",
    *(f"inception_b{n}" for n in range(1, 8)),
    "reduction_b",
    *(f"inception_c{n}" for n in range(1, 4)),
]


@backbone("inception_v4", source="Szegedy et al. 2016, arXiv:1602.07261", smallest_side=75)
def inception_v4(name: str, in_channels: int, **options: Any) -> Parts:
    """Stages: conv1 ... mixed_5a, inception_a1 ... reduction_b, inception_c1 ... inception_c3."""
    net: Any = create(name, in_channels, **options)
    blocks: list[nn.Module] = list(net.features)
    return parts(net, dict(zip(NAMES, blocks, strict=True)))
