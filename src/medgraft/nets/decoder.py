"""The decoder of a U-Net: back to the size of the image, with or without skips."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medgraft.nets.convolution import TRANSPOSED, convolution
from medgraft.registry import unknown_name

WIDEST, NARROWEST = 256, 16  # channels of the first level, at most, and of the last, at least


def nearest(dims: int, channels: int) -> nn.Module:  # noqa: ARG001 (what every way takes)
    """Each value repeated: nothing to learn."""
    return nn.Upsample(scale_factor=2, mode="nearest")


def transposed(dims: int, channels: int) -> nn.Module:
    """A transposed convolution of side and stride 2 that keeps the channels."""
    return TRANSPOSED[dims](channels, channels, kernel_size=2, stride=2)


UPSAMPLINGS: dict[str, Callable[[int, int], nn.Module]] = {
    "nearest": nearest,
    "transposed": transposed,
}


class Level(nn.Module):
    """Twice the side, the skip laid beside it, two convolutions."""

    def __init__(
        self, dims: int, channels: int, skip: int, width: int, upsample: nn.Module
    ) -> None:
        super().__init__()
        self.upsample = upsample
        self.first = convolution(dims, channels + skip, width)
        self.second = convolution(dims, width, width)

    def forward(self, x: Tensor, skip: Tensor | None, size: Sequence[int]) -> Tensor:
        """(B, channels, *S) and (B, skip, *size) to (B, width, *size), `size` being about 2 S."""
        x = self.upsample(x)
        if x.shape[2:] != torch.Size(size):  # a network without padding loses borders
            x = F.interpolate(x, size=list(size), mode="nearest-exact")
        x = x if skip is None else torch.cat([x, skip], dim=1)
        maps: Tensor = self.second(self.first(x))
        return maps


class Decoder(nn.Module):
    """Levels that double the sides until they are those of the image.

    Source: Ronneberger et al. 2015, arXiv:1505.04597, with padding. The first level has half the
    channels of the deepest maps, 256 at most, each further one half of those before: 256, 128
    and 64 in Models Genesis (512 at the deepest, three levels).

    Attributes:
        strides: Image pixels per pixel of what leaves each level, descending to 1.
        out_channels: Channels of its maps.
    """

    def __init__(
        self,
        dims: int,
        channels: int,
        stride: int,
        *,
        skips: Mapping[int, int],
        upsampling: str = "nearest",
    ) -> None:
        """Build it.

        Args:
            dims: Spatial axes, 2 or 3.
            channels: Of the deepest maps.
            stride: Of the deepest maps, a power of 2.
            skips: Channels of the maps that skip, by their stride; strides without one are fine.
            upsampling: "nearest" or "transposed".

        Raises:
            UnknownNameError: If there is no such up-sampling.
        """
        super().__init__()
        if upsampling not in UPSAMPLINGS:
            raise unknown_name("upsampling", upsampling, UPSAMPLINGS)
        self.strides = tuple(stride >> level for level in range(1, stride.bit_length()))
        self.skips = tuple(s for s in self.strides if s in skips)
        widest = min(WIDEST, channels // 2)
        widths = [max(widest >> level, NARROWEST) for level in range(len(self.strides))]
        self.levels = nn.ModuleDict()
        for s, (before, width) in zip(self.strides, pairwise((channels, *widths)), strict=True):
            up = UPSAMPLINGS[upsampling](dims, before)
            self.levels[f"stride{s}"] = Level(dims, before, skips.get(s, 0), width, up)
        self.out_channels = widths[-1] if widths else channels

    def forward(self, x: Tensor, skips: Mapping[int, Tensor], size: Sequence[int]) -> Tensor:
        """Maps of the size of the image.

        Args:
            x: Deepest maps, (B, channels, *S).
            skips: Maps by their stride.
            size: Of the image.
        """
        for stride in self.strides:
            skip = skips[stride] if stride in self.skips else None
            doubled = [2 * side for side in x.shape[2:]]
            target = skip.shape[2:] if skip is not None else size if stride == 1 else doubled
            x = self.levels[f"stride{stride}"](x, skip, target)
        return x
