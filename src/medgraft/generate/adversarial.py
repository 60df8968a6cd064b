"""What models with a discriminator share: its stabilisers, and how it is moved."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn

from medgraft.generate.averaging import averaged
from medgraft.generate.losses import discriminator_loss, gradient_penalty
from medgraft.generate.model import GenerativeModel, Losses
from medgraft.generate.networks import Judge, Norm, Shape, Up


class Adversarial(GenerativeModel):
    """A model whose decoder is judged by a discriminator. Abstract.

    Its decoder answers with tanh, and the discriminator sees images in [-1, 1].
    """

    spectral_norm: bool = True
    """Divide each matrix of the discriminator by its largest singular value, instead of batch norm."""
    discriminator_rate: float = Field(4.0, gt=0)
    """Learning rate of the discriminator, in those of the other parts (two time scales, Heusel et al.
    2017, arXiv:1706.08500)."""
    smoothing: float = Field(0.1, ge=0, lt=0.5)
    """One-sided label smoothing: real images are to be called real with 1 less this."""
    average: float = Field(0.999, ge=0, lt=1)
    """Samples are drawn by a moving average of the decoder's weights, which keeps this of itself at
    every step; 0 draws them by the last weights."""
    r1: float = Field(0.0, ge=0)
    """Weight of the squared gradient of the discriminator at real images."""
    r1_every: int = Field(4, ge=1)
    """Steps between two such penalties, each then so many times as heavy."""

    def rate_of(self, part: str) -> float:
        """Another one for the discriminator."""
        return self.discriminator_rate if part == "discriminator" else 1.0

    def decoder(self, shape: Shape) -> nn.Module:
        """What draws images of codes, and its moving average."""
        learner = Up(self.latent, shape, self.width, upsampling=self.upsampling)
        return averaged(learner, self.average)

    def judge(self, shape: Shape) -> Judge:
        """The discriminator."""
        norm: Norm = "spectral" if self.spectral_norm else "batch"
        return Judge(shape, self.width, norm=norm)

    def judge_losses(
        self,
        judge: Judge,
        images: Tensor,
        fakes: list[tuple[Tensor, Tensor | None]],
        labels: Tensor | None,
        *,
        step: int,
    ) -> Losses:
        """What moves the discriminator.

        Args:
            judge: The discriminator.
            images: Real, in [-1, 1].
            fakes: Generated batches with their labels, as many images in each; their losses are
                averaged.
            labels: Of the real images.
            step: Number of the batch.
        """
        penalised = bool(self.r1) and step % self.r1_every == 0
        images = images.detach().requires_grad_(penalised)
        real = judge(images, labels)
        found = [judge(fake.detach(), named) for fake, named in fakes]
        each = torch.stack(
            [discriminator_loss(real, fake, smoothing=self.smoothing) for fake in found]
        ).mean(dim=0)
        terms = {"real": float(real.detach().sigmoid().mean())}
        terms["fake"] = float(torch.cat(found).detach().sigmoid().mean())
        if penalised:
            each = each + self.r1 * self.r1_every * gradient_penalty(real, images)
        return Losses(each, terms)


def shown(images: Tensor) -> Tensor:
    """Images in [0, 1] as the discriminator sees them: in [-1, 1]."""
    return images * 2 - 1


def squashed(numbers: Tensor) -> Tensor:
    """What the decoder says, in [-1, 1]."""
    return numbers.float().tanh()
