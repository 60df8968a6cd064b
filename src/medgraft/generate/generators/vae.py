"""The variational auto-encoder."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from medgraft.generate.generators import generative
from medgraft.generate.losses import bernoulli, kl_divergence, reparameterised, squared_error
from medgraft.generate.model import Defaults, GenerativeModel, Losses, Networks
from medgraft.generate.networks import Encoder, Shape, Up

PART = "autoencoder"


@generative("vae")
class VAE(GenerativeModel):
    """Encode each image as a normal distribution near N(0, I), and restore it from a draw of that.

    q(z|x) = N(mu, diag sigma^2); the loss is reconstruction + beta * KL(q || N(0, I)). The decoder
    answers with sigmoids. Trained in minutes and without a rival, it cannot collapse; its samples
    are blurred, since the mean of many likely images is a blurred one.
    """

    source: ClassVar[str] = "Kingma and Welling 2014, arXiv:1312.6114"
    defaults: ClassVar[Defaults] = Defaults(epochs=20, rate=1e-3, schedule="one_cycle", beta1=0.9)
    chosen_by_loss: ClassVar[bool] = True

    latent: int = Field(64, ge=1, le=4096)
    """Numbers in a code."""
    beta: float = Field(1.0, ge=0)
    """Weight of the divergence: larger for simpler codes, smaller for sharper images."""
    likelihood: Literal["bernoulli", "mse"] = "mse"
    """Loss of pixels: squared error, or cross-entropy of pixels as if they were coins."""
    noise: float = Field(0.3, gt=0)
    """Of mse: standard deviation that a pixel is granted, in [0, 1]. At 0.1, which is about how far
    reconstructions of films are off, images are restored better, but codes then leave so much of
    N(0, I) empty that samples hardly look like films."""

    def networks(self, shape: Shape) -> dict[str, nn.Module]:
        """One part: encoder and decoder learn by one loss."""
        parts = {
            "encoder": Encoder(shape, self.width, self.latent),
            "decoder": Up(self.latent, shape, self.width, upsampling=self.upsampling),
        }
        return {PART: nn.ModuleDict(parts)}

    def losses(
        self, part: str, networks: Networks, images: Tensor, labels: Tensor | None, *, step: int
    ) -> Losses:
        """Reconstruction + beta * KL, in nats per image."""
        del part, step
        mu, log_variance = _half(networks, "encoder")(images, labels)
        found = self._terms(networks, images, labels, mu, log_variance, torch.randn_like(mu))
        terms = {name: float(each.detach().mean()) for name, each in found.items()}
        return Losses(found["reconstruction"] + self.beta * found["kl"], terms)

    def judged(
        self, networks: Networks, images: Tensor, labels: Tensor | None, noise: Tensor
    ) -> dict[str, Tensor]:
        """The same of held-out images."""
        mu, log_variance = _half(networks, "encoder")(images, labels)
        found = self._terms(networks, images, labels, mu, log_variance, noise)
        return {"loss": found["reconstruction"] + self.beta * found["kl"], **found}

    def _terms(
        self,
        networks: Networks,
        images: Tensor,
        labels: Tensor | None,
        mu: Tensor,
        log_variance: Tensor,
        noise: Tensor,
    ) -> dict[str, Tensor]:
        codes = reparameterised(mu, log_variance, noise)
        logits = _half(networks, "decoder")(codes, labels).float()
        if self.likelihood == "bernoulli":
            restored = bernoulli(logits, images)
        else:
            restored = squared_error(logits, images, noise=self.noise)
        return {"reconstruction": restored, "kl": kl_divergence(mu, log_variance)}

    def decode(self, networks: Networks, codes: Tensor, labels: Tensor | None) -> Tensor:
        """Sigmoids of the decoder."""
        found: Tensor = _half(networks, "decoder")(codes, labels).float().sigmoid()
        return found

    def encode(self, networks: Networks, images: Tensor, labels: Tensor | None) -> Tensor | None:
        """The means of the codes."""
        mu: Tensor = _half(networks, "encoder")(images, labels)[0]
        return mu


def _half(networks: Networks, name: str) -> nn.Module:
    """The encoder or the decoder."""
    return networks[PART].get_submodule(name)
