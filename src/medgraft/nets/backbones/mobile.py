"""Mobile networks of inverted residuals: MNASNet, MobileNet V2 and V3, EfficientNet."""

from __future__ import annotations

from typing import Any

from torch import nn

from medgraft.nets.backbones import Parts, backbone
from medgraft.nets.backbones._timm import chain, create, parts


def is_mobile(name: str) -> bool:
    """Whether a network of timm is built of these blocks, and gives its features as no chain."""
    from timm.models import is_model_in_modules

    return bool(
        is_model_in_modules(name.partition(".")[0], ("efficientnet", "hardcorenas", "mobilenetv3"))
    )


@backbone(
    "mnasnet_100",
    "mobilenetv2_100",
    "efficientnet_b0",
    "efficientnet_b1",
    "efficientnet_b2",
    "efficientnet_b3",
    source="Tan et al. 2018, arXiv:1807.11626; Sandler et al. 2018, arXiv:1801.04381;"
    " Tan and Le 2019, arXiv:1905.11946",
)
@backbone(
    "mobilenetv3_large_100",
    "mobilenetv3_small_100",
    source="Howard et al. 2019, arXiv:1905.02244",
)
def mobile(name: str, in_channels: int, **options: Any) -> Parts:
    """Stages: stem, block1 ... block7, conv_head (of V3 after its own global average pool)."""
    net: Any = create(name, in_channels, **options)
    blocks = {f"block{n}": block for n, block in enumerate(net.blocks, start=1)}
    if hasattr(net, "norm_head"):
        head = chain(
            pool=nn.AdaptiveAvgPool2d(1),
            conv_head=net.conv_head,
            norm_head=net.norm_head,
            act2=net.act2,
        )
    else:
        head = chain(conv_head=net.conv_head, bn2=net.bn2)
    stem = chain(conv_stem=net.conv_stem, bn1=net.bn1)
    return parts(net, {"stem": stem, **blocks, "conv_head": head})
