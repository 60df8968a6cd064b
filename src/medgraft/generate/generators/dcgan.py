"""The deep convolutional generative adversarial network."""

from __future__ import annotations

from typing import ClassVar, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from medgraft.generate.adversarial import Adversarial, shown, squashed
from medgraft.generate.generators import generative
from medgraft.generate.losses import feature_distance, generator_loss
from medgraft.generate.model import Defaults, Losses, Networks
from medgraft.generate.networks import Judge, Shape


@generative("dcgan")
class DCGAN(Adversarial):
    """A generator and a discriminator that learn against each other.

    The discriminator (strided convolutions, LeakyReLU 0.2) is moved by -log D(x) - log(1 - D(G(z))),
    the generator (convolutions that double the sides, tanh) by -log D(G(z)). Samples are sharp; whether they
    are as various as the images is not guaranteed by the loss, and is measured at every epoch.
    """

    source: ClassVar[str] = "Radford et al. 2016, arXiv:1511.06434"
    defaults: ClassVar[Defaults] = Defaults(epochs=60, rate=2e-4, schedule="constant", beta1=0.5)

    feature_matching: float = Field(0.0, ge=0)
    """Weight of the distance between mean features of real and generated images, for the generator."""

    def networks(self, shape: Shape) -> dict[str, nn.Module]:
        """Two parts: the discriminator is moved first."""
        return {"discriminator": self.judge(shape), "generator": self.decoder(shape)}

    def losses(
        self, part: str, networks: Networks, images: Tensor, labels: Tensor | None, *, step: int
    ) -> Losses:
        """Of the discriminator or of the generator; generated images have the labels of real ones."""
        judge, images = cast("Judge", networks["discriminator"]), shown(images)
        codes = torch.randn(len(images), self.latent, device=images.device)
        if part == "discriminator":
            with torch.no_grad():
                fake = squashed(networks["generator"](codes, labels))
            return self.judge_losses(judge, images, [(fake, labels)], labels, step=step)
        logits, maps = judge.judged(squashed(networks["generator"](codes, labels)), labels)
        each, terms = generator_loss(logits), dict[str, float]()
        if self.feature_matching:
            last = judge.down.names[-1]
            with torch.no_grad():
                _, real = judge.judged(images, labels)
            apart = feature_distance(real[last].float(), maps[last].float())
            each = each + self.feature_matching * apart
            terms["features"] = float(apart.detach())
        return Losses(each, terms)

    def decode(self, networks: Networks, codes: Tensor, labels: Tensor | None) -> Tensor:
        """The generator's answers, from [-1, 1] to [0, 1]."""
        return (squashed(networks["generator"](codes, labels)) + 1) / 2
