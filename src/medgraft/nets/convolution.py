"""Convolution, batch norm and ReLU, in two or three dimensions."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

CONVOLUTIONS: dict[int, type[nn.Conv2d | nn.Conv3d]] = {2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED: dict[int, type[nn.ConvTranspose2d | nn.ConvTranspose3d]] = {
    2: nn.ConvTranspose2d,
    3: nn.ConvTranspose3d,
}
NORMS: dict[int, type[nn.BatchNorm2d | nn.BatchNorm3d]] = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}


def convolution(dims: int, in_channels: int, out_channels: int) -> nn.Sequential:
    """Kernels of side 3 that keep the size, batch norm, ReLU.

    Examples:
        >>> sum(p.numel() for p in convolution(3, 1, 32).parameters())
        960
    """
    return nn.Sequential(
        OrderedDict(
            conv=CONVOLUTIONS[dims](in_channels, out_channels, kernel_size=3, padding=1),
            norm=NORMS[dims](out_channels),
            act=nn.ReLU(inplace=True),
        )
    )
