"""Densely connected networks."""

from __future__ import annotations

from typing import Any

from medgraft.nets.backbones import Parts, backbone
from medgraft.nets.backbones._timm import chain, create, parts


@backbone("densenet121", "densenet169", "densenet201", source="Huang et al. 2016, arXiv:1608.06993")
def densenet(name: str, in_channels: int, **options: Any) -> Parts:
    """Stages: stem, then dense blocks and transitions apart, then the last norm."""
    net: Any = create(name, in_channels, **options)
    f = net.features
    stages = {"stem": chain(conv0=f.conv0, norm0=f.norm0, pool0=f.pool0)}
    for number in (1, 2, 3):
        stages[f"denseblock{number}"] = getattr(f, f"denseblock{number}")
        stages[f"transition{number}"] = getattr(f, f"transition{number}")
    return parts(net, {**stages, "denseblock4": f.denseblock4, "norm5": f.norm5})
