"""What a generative model is, whichever it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from pydantic import Field
from torch import Tensor, nn

from medgraft.generate.networks import Shape, Upsampling
from medgraft.spec import Options

Networks = Mapping[str, nn.Module]


@dataclass(frozen=True)
class Defaults:
    """How a model is trained if nobody says otherwise.

    Attributes:
        epochs: Passes over the training images.
        rate: Of the optimiser of every part.
        schedule: Course of the rate.
        beta1: How slowly adam forgets gradients.
    """

    epochs: int
    rate: float
    schedule: str
    beta1: float


@dataclass(frozen=True)
class Losses:
    """What moves a part of a model.

    Attributes:
        each: Per image, shape (B,), in float32; lower is better.
        terms: What else is written down, each a mean over the batch.
    """

    each: Tensor
    terms: Mapping[str, float] = field(default_factory=dict)


class GenerativeModel(Options, ABC):
    """A model that draws images from codes z ~ N(0, I). Abstract.

    Its options decide the networks and their losses; it holds no tensors itself.
    """

    source: ClassVar[str]
    defaults: ClassVar[Defaults]
    chosen_by_loss: ClassVar[bool] = False
    """Whether `judged` has a loss by which the best epoch is chosen."""

    latent: int = Field(100, ge=1, le=4096)
    """Numbers in a code."""
    width: int = Field(32, ge=1, le=512)
    """Channels of the first block; later ones have up to 8 times as many."""
    upsampling: Upsampling = "resize"
    """How the decoder doubles sides: nearest neighbours and a convolution, or transposed convolutions,
    which the DCGAN was published with, and which draw grids for long."""

    @abstractmethod
    def networks(self, shape: Shape) -> dict[str, nn.Module]:
        """The parts, each with an optimiser of its own, in the order in which a step moves them."""

    @abstractmethod
    def losses(
        self, part: str, networks: Networks, images: Tensor, labels: Tensor | None, *, step: int
    ) -> Losses:
        """What moves a part, of a batch of training images.

        Args:
            part: Which one.
            networks: All parts, in training mode.
            images: In [0, 1], shape (B, C, S, S).
            labels: Numbers of classes (B,), the last one for images without a label; None of a
                model without classes.
            step: Number of the batch. Random numbers are of torch's own stream, which the loop
                seeds at every step.
        """

    @abstractmethod
    def decode(self, networks: Networks, codes: Tensor, labels: Tensor | None) -> Tensor:
        """Images in [0, 1], float32, of codes (B, D), by networks in evaluation mode."""

    def encode(self, networks: Networks, images: Tensor, labels: Tensor | None) -> Tensor | None:
        """Codes (B, D) from which images can be decoded again; None of a model without an encoder."""
        del networks, images, labels
        return None

    def judged(
        self, networks: Networks, images: Tensor, labels: Tensor | None, noise: Tensor
    ) -> dict[str, Tensor]:
        """Losses of held-out images, each (B,), with "loss" first; empty where none says anything.

        Args:
            networks: All parts, in evaluation mode.
            images: In [0, 1].
            labels: As in `losses`.
            noise: Standard normal numbers (B, D), so that the answer is the same every time.
        """
        del networks, images, labels, noise
        return {}

    def rate_of(self, part: str) -> float:
        """Factor on the learning rate of a part."""
        del part
        return 1.0

    def check(self, shape: Shape) -> None:
        """Refuse options that do not fit images of this shape.

        Raises:
            ArgumentError: With what to do.
        """
        del shape
