"""The encoder of the U-Net of Models Genesis, in two and three dimensions."""

from __future__ import annotations

from torch import nn

from medgraft.nets.backbones import Parts, backbone
from medgraft.nets.backbones._timm import chain
from medgraft.nets.convolution import convolution

BASE = 32  # channels of the first convolution; each level has twice those of the one before
NARROW = 8  # a sixteenth of the parameters and operations: volumes on a processor
POOLS = {2: nn.MaxPool2d, 3: nn.MaxPool3d}
SOURCE = "Cicek et al. 2016, arXiv:1606.06650, as in Zhou et al. 2019, arXiv:1908.06912"


def encoder(dims: int, in_channels: int, base: int = BASE) -> Parts:
    """Levels of two convolutions, and a pool that halves the sides before all but the first.

    Tensors have no names elsewhere: their names at the source are ours.

    Examples:
        >>> sum(p.numel() for stage in encoder(3, 1).stages.values() for p in stage.parameters())
        7027776
    """
    stages: dict[str, nn.Module] = {}
    before = in_channels
    for number in range(1, 5):
        inside, width = base * 2 ** (number - 1), base * 2**number
        pool: dict[str, nn.Module] = {"pool": POOLS[dims](2)} if number > 1 else {}
        first, second = convolution(dims, before, inside), convolution(dims, inside, width)
        stages[f"level{number}"] = chain(**pool, first=first, second=second)
        before = width
    return Parts(stages, {name: name for name in nn.ModuleDict(stages).state_dict()})


@backbone(
    "unet2d",
    "unet2d_narrow",
    source=f"{SOURCE}, in two dimensions",
    smallest_side=16,
    pads=False,
)
def unet2d(name: str, in_channels: int) -> Parts:
    """Stages: level1 ... level4, at strides 1, 2, 4 and 8; the narrow one has 8 channels for 32."""
    return encoder(2, in_channels, NARROW if name.endswith("narrow") else BASE)


@backbone("unet3d", "unet3d_narrow", source=SOURCE, dims=3, smallest_side=16, pads=False)
def unet3d(name: str, in_channels: int) -> Parts:
    """Stages: level1 ... level4, at strides 1, 2, 4 and 8; the narrow one has 8 channels for 32."""
    return encoder(3, in_channels, NARROW if name.endswith("narrow") else BASE)
