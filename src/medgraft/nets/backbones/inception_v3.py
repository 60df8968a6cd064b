"""Inception V3: every inception and reduction block is its own stage."""

from __future__ import annotations

from typing import Any

from medgraft.nets.backbones import Parts, backbone
from medgraft.nets.backbones._timm import chain, create, parts

BLOCKS = {  # name of the stage: name of the block in the paper's reference code
    "inception_a1": "Mixed_5b",
    "inception_a2": "Mixed_5c",
    "inception_a3": "Mixed_5d",
    "reduction_a": "Mixed_6a",
    "inception_b1": "Mixed_6b",
    "inception_b2": "Mixed_6c",
    "inception_b3": "Mixed_6d",
    "inception_b4": "Mixed_6e",
    "reduction_b": "Mixed_7a",
    "inception_c1": "Mixed_7b",
    "inception_c2": "Mixed_7c",
}


@backbone("inception_v3", source="Szegedy et al. 2015, arXiv:1512.00567", smallest_side=75)
def inception_v3(name: str, in_channels: int, **options: Any) -> Parts:
    """Stages: stem1, stem2, inception_a1 ... inception_c2."""
    net: Any = create(name, in_channels, **options)
    stem1 = ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Pool1")
    stem2 = ("Conv2d_3b_1x1", "Conv2d_4a_3x3", "Pool2")
    return parts(
        net,
        {
            "stem1": chain(**{child: getattr(net, child) for child in stem1}),
            "stem2": chain(**{child: getattr(net, child) for child in stem2}),
            **{stage: getattr(net, child) for stage, child in BLOCKS.items()},
        },
    )
