"""Networks that answer with an image: a backbone, a decoder and, in a Y, a head beside it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from medgraft.errors import ShapeError
from medgraft.nets.convolution import CONVOLUTIONS
from medgraft.nets.decoder import Decoder
from medgraft.nets.heads import convolution_head
from medgraft.nets.network import Backbone, Staged, cut


def deepest(backbone: Backbone) -> Backbone:
    """`backbone` without the stages that follow a global pool, which have no place for pixels."""
    placed = [name for name in backbone.names if backbone.strides[name] is not None]
    return backbone if placed == backbone.names else cut(backbone, placed[-1])


def skipping(backbone: Backbone) -> dict[int, str]:
    """The last stage of each stride above the deepest: where skips are taken.

    Examples:
        >>> from medgraft.nets import outline
        >>> skipping(outline("resnet18"))
        {4: 'layer1', 8: 'layer2', 16: 'layer3'}
    """
    last = {stride: name for name, stride in backbone.strides.items() if stride is not None}
    return {stride: last[stride] for stride in sorted(last)[:-1]}


class Dense(Staged):
    """What the networks of this file share: an answer per pixel, made by a decoder. Abstract.

    What follows the answer (sigmoid, softmax, nothing) belongs to the loss.

    Attributes:
        backbone: The encoder, named stages.
        decoder: From the deepest maps to maps of the size of the image.
        output: A convolution of side 1, from these maps to the channels of the answer.
        skips: Stages whose maps skip to the decoder, by their stride.
        pads: Whether images whose sides the strides do not divide are continued by their last
            pixels, and the answer is cropped; if not, they are refused.
    """

    def __init__(
        self,
        backbone: Backbone,
        out_channels: int,
        *,
        upsampling: str = "nearest",
        skips: bool = True,
        pads: bool = True,
    ) -> None:
        """Build it.

        Args:
            backbone: What follows a global pool is left out.
            out_channels: Of the answer, 1 or more.
            upsampling: "nearest" or "transposed".
            skips: Whether the decoder sees more than the deepest maps. Without skips these are
                the only path, as an auto-encoder needs it.
            pads: See above.
        """
        backbone = deepest(backbone)
        super().__init__(backbone)
        self.skips = skipping(backbone) if skips else {}
        self.decoder = Decoder(
            backbone.dims,
            backbone.out_channels,
            self.divisor,
            skips={stride: backbone.channels[stage] for stride, stage in self.skips.items()},
            upsampling=upsampling,
        )
        self.output = CONVOLUTIONS[backbone.dims](self.decoder.out_channels, out_channels, 1)
        self.pads = pads

    @property
    def out_channels(self) -> int:
        """Channels of the answer."""
        return int(self.output.out_channels)

    @property
    def divisor(self) -> int:
        """The deepest stride: sides that it divides need no padding."""
        return self.backbone.strides[self.backbone.names[-1]] or 1

    def encode(self, x: Tensor) -> dict[str, Tensor]:
        """The deepest maps, last, and those that skip, by stage.

        Raises:
            ShapeError: If sides must be divisible by `divisor` and are not.
        """
        x = self._padded(x)
        kept = {*self.skips.values(), self.backbone.names[-1]}
        maps: dict[str, Tensor] = {}
        for name, stage in self.backbone.stages.items():
            x = stage(x)
            if name in kept:
                maps[name] = x
        return maps

    def decode(self, maps: dict[str, Tensor], size: torch.Size) -> Tensor:
        """The answer to an image of that size, from what `encode` made of it."""
        skips = {stride: maps[stage] for stride, stage in self.skips.items()}
        padded = [side + self._lacks(side) for side in size]
        x = self.decoder(maps[self.backbone.names[-1]], skips, padded)
        answer: Tensor = self.output(x)
        for axis, side in enumerate(size, start=2):
            answer = answer.narrow(axis, 0, side)
        return answer

    def _lacks(self, side: int) -> int:
        return -side % self.divisor

    def check_sides(self, sides: Sequence[int]) -> None:
        """Refuse images that are not padded and whose sides the strides do not divide.

        Raises:
            ShapeError: With the nearest sides that would do.
        """
        if self.pads or not any(self._lacks(side) for side in sides):
            return
        have = " x ".join(str(side) for side in sides)
        near = " x ".join(str(side + self._lacks(side)) for side in sides)
        raise ShapeError(
            f"sides of images for {self.backbone.name} must be divisible by {self.divisor},"
            f" got {have}. Resize, pad or crop them, to {near} for example."
        )

    def _padded(self, x: Tensor) -> Tensor:
        self.check_sides(x.shape[2:])
        lacks = [self._lacks(side) for side in x.shape[2:]]
        if not any(lacks):
            return x
        ends = [amount for more in reversed(lacks) for amount in (0, more)]
        return F.pad(x, ends, mode="replicate")


class EncoderDecoder(Dense):
    """A U-Net on any backbone; without skips, an auto-encoder."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *S) to (B, out_channels, *S).

        Raises:
            ShapeError: If sides must be divisible by `divisor` and are not.
        """
        return self.decode(self.encode(x), x.shape[2:])


class YNetwork(Dense):
    """An encoder with two branches: a decoder that restores and a head that names patterns.

    Source: Haghighi et al. 2020 (Semantic Genesis), arXiv:2007.06959.

    Attributes:
        head: From the deepest maps to logits, beside the decoder.
    """

    def __init__(
        self,
        backbone: Backbone,
        out_channels: int,
        classes: int,
        *,
        upsampling: str = "nearest",
        skips: bool = True,
        pads: bool = True,
    ) -> None:
        """Build it: as `Dense`, and `classes` logits."""
        super().__init__(backbone, out_channels, upsampling=upsampling, skips=skips, pads=pads)
        self.head = convolution_head(self.backbone.dims, self.backbone.out_channels, classes)

    @property
    def classes(self) -> int:
        """Number of logits."""
        return int(list(self.head.parameters())[-1].shape[0])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The answer (B, out_channels, *S) and logits (B, classes), in one pass of the encoder.

        Raises:
            ShapeError: If sides must be divisible by `divisor` and are not.
        """
        maps = self.encode(x)
        logits: Tensor = self.head(maps[self.backbone.names[-1]])
        return self.decode(maps, x.shape[2:]), logits
