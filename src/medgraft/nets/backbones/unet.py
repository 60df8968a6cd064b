"""The encoder of the U-Net of Models Genesis, in two and three dimensions."""

from __future__ import annotations

from torch import nn

from medgraft.nets.backbones import Parts, backbone
from medgraft.nets.backbones._timm import chain
from medgraft.nets.convolution import convolution

WIDTHS = ((32, 64), (64, 128), (128, 256), (256, 512))  # of the two convolutions of each level
POOLS = {2: nn.MaxPool2d, 3: nn.MaxPool3d}
SOURCE = "Cicek et al. 2016, arXiv:1606.06650, as in Zhou et al. 2019, arXiv:1908.06912"


def encoder(dims: int, in_channels: int) -> Parts:
    """Levels of two convolutions, and a pool that halves the sides before all but the first.

    Tensors have no names elsewhere: their names at the source are ours.

    Examples:
        >>> sum(p.numel() for stage in encoder(3, 1).stages.values() for p in stage.parameters())
        7027776
    """
    stages: dict[str, nn.Module] = {}
    before = in_channels
    for number, (inside, width) in enumerate(WIDTHS, start=1):
        pool: dict[str, nn.Module] = {"pool": POOLS[dims](2)} if number > 1 else {}
        first, second = convolution(dims, before, inside), convolution(dims, inside, width)
        stages[f"level{number}"] = chain(**pool, first=first, second=second)
        before = width
    return Parts(stages, {name: name for name in nn.ModuleDict(stages).state_dict()})


@backbone("unet2d", source=f"{SOURCE}, in two dimensions", smallest_side=16, pads=False)
def unet2d(name: str, in_channels: int) -> Parts:  # noqa: ARG001 (what every builder takes)
    """Stages: level1 ... level4, at strides 1, 2, 4 and 8."""
    return encoder(2, in_channels)


@backbone("unet3d", source=SOURCE, dims=3, smallest_side=16, pads=False)
def unet3d(name: str, in_channels: int) -> Parts:  # noqa: ARG001 (what every builder takes)
    """Stages: level1 ... level4, at strides 1, 2, 4 and 8."""
    return encoder(3, in_channels)
