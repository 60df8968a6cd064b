"""The variational auto-encoder whose decoder is the generator of an adversarial network."""

from __future__ import annotations

from typing import ClassVar, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from medgraft.errors import ArgumentError
from medgraft.generate.adversarial import Adversarial, shown, squashed
from medgraft.generate.generators import generative
from medgraft.generate.losses import generator_loss, kl_divergence, reparameterised
from medgraft.generate.model import Defaults, Losses, Networks
from medgraft.generate.networks import Encoder, Judge, Shape
from medgraft.registry import unknown_name


@generative("vae_gan")
class VAEGAN(Adversarial):
    """Encode images, restore them, and let a discriminator say how far a restored one is off.

    Three parts. The encoder is moved by KL + the error of features, the decoder by gamma times
    that error and by the discriminator, the discriminator by -log D(x) - log(1 - D(.)) of restored
    images and of images of codes z ~ N(0, I). Features are those of a named block of the
    discriminator, where a shifted edge costs little, so that images need not be blurred.
    """

    source: ClassVar[str] = "Larsen et al. 2016, arXiv:1512.09300"
    defaults: ClassVar[Defaults] = Defaults(epochs=40, rate=3e-4, schedule="constant", beta1=0.5)

    spectral_norm: bool = False
    """As of dcgan; off, since the error of features is in units of what batch norm gives them."""
    discriminator_rate: float = Field(1.0, gt=0)
    """As of dcgan; 1, since batch norm lets the discriminator win soon enough."""
    stage: str = "block3"
    """Block of the discriminator whose features are restored."""
    beta: float = Field(1.0, ge=0)
    """Weight of the divergence for the encoder, beside half the squared error summed over features."""
    gamma: float = Field(5.0, ge=0)
    """Weight of half the mean squared error of features for the decoder, beside the adversarial loss."""

    def networks(self, shape: Shape) -> dict[str, nn.Module]:
        """Three parts, moved in this order."""
        return {
            "encoder": Encoder(shape, self.width, self.latent),
            "decoder": self.decoder(shape),
            "discriminator": self.judge(shape),
        }

    def check(self, shape: Shape) -> None:
        """The stage must be a block of the discriminator, which smaller images have fewer of."""
        names = self.judge(shape).down.names
        if self.stage not in names:
            raise ArgumentError(
                f"{unknown_name('stage', self.stage, names)} Of vae_gan at {shape.size} pixels."
            )

    def losses(
        self, part: str, networks: Networks, images: Tensor, labels: Tensor | None, *, step: int
    ) -> Losses:
        """Of the encoder, the decoder or the discriminator."""
        images, judge = shown(images), cast("Judge", networks["discriminator"])
        if part == "encoder":
            return self._encoder(networks, judge, images, labels)
        with torch.no_grad():
            mu, log_variance = networks["encoder"](images, labels)
            codes = reparameterised(mu, log_variance, torch.randn_like(mu))
        free = torch.randn_like(codes)
        if part == "decoder":
            return self._decoder(networks, judge, images, labels, codes, free)
        with torch.no_grad():
            fakes = [squashed(networks["decoder"](z, labels)) for z in (codes, free)]
        pairs = [(fake, labels) for fake in fakes]
        return self.judge_losses(judge, images, pairs, labels, step=step)

    def _encoder(
        self, networks: Networks, judge: Judge, images: Tensor, labels: Tensor | None
    ) -> Losses:
        mu, log_variance = networks["encoder"](images, labels)
        codes = reparameterised(mu, log_variance, torch.randn_like(mu))
        _, apart = self._apart(judge, images, squashed(networks["decoder"](codes, labels)), labels)
        kl, restored = kl_divergence(mu, log_variance), apart.sum(dim=1) / 2
        terms = {"kl": kl, "features": restored}
        return Losses(
            self.beta * kl + restored,
            {name: float(each.detach().mean()) for name, each in terms.items()},
        )

    def _decoder(
        self,
        networks: Networks,
        judge: Judge,
        images: Tensor,
        labels: Tensor | None,
        codes: Tensor,
        free: Tensor,
    ) -> Losses:
        decoder = networks["decoder"]
        logits, apart = self._apart(judge, images, squashed(decoder(codes, labels)), labels)
        of_free = generator_loss(judge(squashed(decoder(free, labels)), labels))
        fooled = (generator_loss(logits) + of_free) / 2
        restored = apart.mean(dim=1) / 2
        terms = {
            "fooled": float(fooled.detach().mean()),
            "features": float(restored.detach().mean()),
        }
        return Losses(self.gamma * restored + fooled, terms)

    def _apart(
        self, judge: Judge, images: Tensor, restored: Tensor, labels: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Logits of restored images, and the squared error of each feature, shape (B, F)."""
        logits, found = judge.judged(restored, labels)
        with torch.no_grad():
            _, wanted = judge.judged(images, labels)
        apart = found[self.stage].float() - wanted[self.stage].float()
        return logits, apart.square().flatten(1)

    def decode(self, networks: Networks, codes: Tensor, labels: Tensor | None) -> Tensor:
        """The decoder's answers, from [-1, 1] to [0, 1]."""
        return (squashed(networks["decoder"](codes, labels)) + 1) / 2

    def encode(self, networks: Networks, images: Tensor, labels: Tensor | None) -> Tensor | None:
        """The means of the codes."""
        mu: Tensor = networks["encoder"](shown(images), labels)[0]
        return mu

    def judged(
        self, networks: Networks, images: Tensor, labels: Tensor | None, noise: Tensor
    ) -> dict[str, Tensor]:
        """Squared error of pixels of restored held-out images; it chooses no weights."""
        del noise
        codes = self.encode(networks, images, labels)
        assert codes is not None, "it has an encoder"
        apart = self.decode(networks, codes, labels) - images
        return {"squared_error": apart.square().flatten(1).mean(dim=1)}
