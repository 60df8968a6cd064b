"""What generative models are made of: strided convolutions down, and convolutions that double sides up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

LEAST = 4  # the side at which going down ends and going up begins
SPREAD = 0.02  # of random weights
SLOPE = 0.2  # of LeakyReLU below zero

Upsampling = Literal["transposed", "resize"]
Norm = Literal["batch", "spectral"]


@dataclass(frozen=True)
class Shape:
    """What images a model is for.

    Attributes:
        channels: 1 or 3.
        size: Side in pixels: 4 times a power of 2.
        classes: How many classes can be asked for; 0 if the model knows none.
    """

    channels: int
    size: int
    classes: int = 0

    @property
    def condition(self) -> int:
        """Numbers that name a class, or none of them (which images without a label have)."""
        return self.classes + 1 if self.classes else 0

    def named(self, labels: Tensor | None) -> Tensor | None:
        """One-hot numbers of labels (B,), shape (B, condition); None of a model without classes."""
        if labels is None or not self.classes:
            return None
        return F.one_hot(labels, self.condition).float()


def widths(shape: Shape, width: int) -> list[int]:
    """Channels after each halving of the sides, until they are 4: doubled up to 8 times `width`.

    Examples:
        >>> widths(Shape(1, 32), 16), widths(Shape(1, 128), 16)
        ([16, 32, 64], [16, 32, 64, 128, 128])
    """
    halvings = (shape.size // LEAST).bit_length() - 1
    return [width * min(2**place, 8) for place in range(halvings)]


class Down(nn.Module):
    """Strided convolutions: each block halves the sides and answers with LeakyReLU(0.2).

    Blocks are named block1, block2, ... The first has no norm, as in DCGAN.

    Attributes:
        features: Numbers that are left of an image.

    Source: Radford et al. 2016, arXiv:1511.06434, section 3.
    """

    def __init__(self, shape: Shape, width: int, *, norm: Norm) -> None:
        super().__init__()
        blocks, inside = nn.ModuleDict(), shape.channels
        for number, outside in enumerate(widths(shape, width), start=1):
            normed = norm == "batch" and number > 1
            convolution = nn.Conv2d(inside, outside, 4, stride=2, padding=1, bias=not normed)
            initialise(convolution)
            layers = [spectral_norm(convolution) if norm == "spectral" else convolution]
            layers += [initialise(nn.BatchNorm2d(outside))] if normed else []
            blocks[f"block{number}"] = nn.Sequential(*layers, nn.LeakyReLU(SLOPE))
            inside = outside
        self.blocks = blocks
        self.features = inside * LEAST * LEAST

    @property
    def names(self) -> list[str]:
        """Names of the blocks, first to last."""
        return list(self.blocks)

    def through(self, images: Tensor) -> dict[str, Tensor]:
        """Maps after each block."""
        found, x = {}, images
        for name, block in self.blocks.items():
            x = found[name] = block(x)
        return found

    def forward(self, images: Tensor) -> Tensor:
        """Features of images (B, C, S, S), shape (B, features)."""
        for block in self.blocks.values():
            images = block(images)
        return images.flatten(1)


class Up(nn.Module):
    """From a code to what an image is made of: each block doubles the sides.

    Transposed convolutions, or nearest neighbours and a convolution ("resize"), with batch norm and
    ReLU between them; the last answers with plain numbers, which the model squashes.

    Source: Radford et al. 2016, arXiv:1511.06434, section 3; "resize": Odena et al. 2016,
    doi:10.23915/distill.00003.
    """

    def __init__(self, code: int, shape: Shape, width: int, *, upsampling: Upsampling) -> None:
        super().__init__()
        self.shape = shape
        inside, *outsides = [*widths(shape, width)[::-1], shape.channels]
        self.least = inside
        first = nn.Linear(code + shape.condition, inside * LEAST * LEAST, bias=False)
        self.first = initialise(first)
        self.norm = initialise(nn.BatchNorm2d(inside))
        blocks = []
        for place, outside in enumerate(outsides):
            last = place == len(outsides) - 1
            layers = _doubling(inside, outside, upsampling, bias=last)
            layers += [] if last else [initialise(nn.BatchNorm2d(outside)), nn.ReLU()]
            blocks.append(nn.Sequential(*layers))
            inside = outside
        self.blocks = nn.Sequential(*blocks)

    def forward(self, code: Tensor, labels: Tensor | None = None) -> Tensor:
        """Numbers of any size, (B, C, S, S), of codes (B, D) and labels (B,)."""
        named = self.shape.named(labels)
        code = code if named is None else torch.cat([code, named], dim=1)
        maps = self.first(code).view(len(code), self.least, LEAST, LEAST)
        found: Tensor = self.blocks(F.relu(self.norm(maps)))
        return found


def _doubling(inside: int, outside: int, upsampling: Upsampling, *, bias: bool) -> list[nn.Module]:
    if upsampling == "transposed":
        # of side 4, which the stride divides: every pixel is reached by as many weights
        return [initialise(nn.ConvTranspose2d(inside, outside, 4, stride=2, padding=1, bias=bias))]
    convolution = nn.Conv2d(inside, outside, 3, padding=1, bias=bias)
    return [nn.Upsample(scale_factor=2, mode="nearest"), initialise(convolution)]


class Judge(nn.Module):
    """A discriminator: strided convolutions, and one logit: above zero is real.

    Of a model with classes the logit gains the product of features and the vector of the class
    (a projection).

    Source: Miyato and Koyama 2018, arXiv:1802.05637.
    """

    def __init__(self, shape: Shape, width: int, *, norm: Norm) -> None:
        super().__init__()
        self.down = Down(shape, width, norm=norm)
        self.logit: nn.Module = initialise(nn.Linear(self.down.features, 1))
        self.of_class: nn.Module | None = None
        if shape.classes:
            self.of_class = initialise(nn.Embedding(shape.condition, self.down.features))
        if norm == "spectral":
            self.logit = spectral_norm(self.logit)
            self.of_class = self.of_class and spectral_norm(self.of_class)

    def judged(
        self, images: Tensor, labels: Tensor | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Logits (B,), float32, and the maps after each block."""
        maps = self.down.through(images)
        features = maps[self.down.names[-1]].flatten(1)
        logits = self.logit(features)[:, 0]
        if self.of_class is not None and labels is not None:
            logits = logits + (features * self.of_class(labels)).sum(dim=1)
        return logits.float(), maps

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Logits (B,) of images (B, C, S, S) as the model shows them."""
        return self.judged(images, labels)[0]


class Encoder(nn.Module):
    """Strided convolutions, and for each image the mean and log variance of its code."""

    def __init__(self, shape: Shape, width: int, latent: int) -> None:
        super().__init__()
        self.shape = shape
        self.down = Down(shape, width, norm="batch")
        self.code = initialise(nn.Linear(self.down.features + shape.condition, 2 * latent))

    def forward(self, images: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean mu and log sigma^2, each (B, D), float32, of images (B, C, S, S)."""
        features, named = self.down(images), self.shape.named(labels)
        features = features if named is None else torch.cat([features, named], dim=1)
        mu, log_variance = self.code(features).float().chunk(2, dim=1)
        return mu, log_variance


def initialise(layer: nn.Module) -> nn.Module:
    """Random weights N(0, 0.02), of batch norms N(1, 0.02); no bias to begin with; the same layer.

    Source: Radford et al. 2016, arXiv:1511.06434, section 4.
    """
    mean = 1.0 if isinstance(layer, nn.BatchNorm2d) else 0.0
    for name, parameter in layer.named_parameters(recurse=False):
        if name == "bias":
            nn.init.zeros_(parameter)
        else:
            nn.init.normal_(parameter, mean, SPREAD)
    return layer
