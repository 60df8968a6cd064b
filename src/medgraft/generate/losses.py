"""What generative models are moved by, as equations; each loss per image, lower is better."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def kl_divergence(mu: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mu, diag sigma^2) || N(0, I)), in nats, shape (B,).

    -1/2 sum(1 + log sigma^2 - mu^2 - sigma^2): zero if mu = 0 and sigma = 1, and only then.

    Args:
        mu: Means, shape (B, D).
        log_variance: log sigma^2, shape (B, D).

    Source: Kingma and Welling 2014, arXiv:1312.6114, appendix B.

    Examples:
        >>> kl_divergence(torch.tensor([[3.0, 0.0], [1.0, 0.0]]), torch.zeros(2, 2)).tolist()
        [4.5, 0.5]
    """
    return -0.5 * (1 + log_variance - mu.square() - log_variance.exp()).sum(dim=1)


def reparameterised(mu: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """The sum mu + sigma * noise: a draw of N(mu, diag sigma^2) if noise is one of N(0, I).

    Gradients reach mu and sigma through it.

    Source: Kingma and Welling 2014, arXiv:1312.6114, section 2.4.
    """
    return mu + (0.5 * log_variance).exp() * noise


def bernoulli(logits: Tensor, images: Tensor) -> Tensor:
    """Cross-entropy of pixels in [0, 1] with sigmoid(logits), summed over each image, in nats, (B,).

    Pixels are no coins: this is a proper likelihood of black and white pixels alone, and for greys
    a loss whose best answer is their mean.
    """
    return F.binary_cross_entropy_with_logits(logits, images, reduction="none").flatten(1).sum(1)


def squared_error(logits: Tensor, images: Tensor, *, noise: float) -> Tensor:
    """-log N(x; sigmoid(logits), noise^2 I) without its constant, in nats, shape (B,).

    Args:
        logits: Of the decoder, shape (B, C, H, W).
        images: In [0, 1], likewise.
        noise: Standard deviation of a pixel, in grey levels of [0, 1]: the smaller, the more a
            pixel counts beside the divergence.
    """
    return (logits.sigmoid() - images).square().flatten(1).sum(1) / (2 * noise**2)


def discriminator_loss(real: Tensor, fake: Tensor, *, smoothing: float = 0.0) -> Tensor:
    """-log D(x) - log(1 - D(G(z))), from logits, shape (B,); 2 log 2 where D says 0.5 to all.

    Args:
        real: Logits of real images, shape (B,).
        fake: Logits of generated ones, shape (B,).
        smoothing: Taken from the target 1 of real images alone (one-sided).

    Source: Goodfellow et al. 2014, arXiv:1406.2661; smoothing: Salimans et al. 2016,
    arXiv:1606.03498, section 3.4.

    Examples:
        >>> round(discriminator_loss(torch.zeros(1), torch.zeros(1)).item(), 4)  # 2 log 2
        1.3863
    """
    of_real = (1 - smoothing) * F.softplus(-real) + smoothing * F.softplus(real)
    return of_real + F.softplus(fake)


def generator_loss(fake: Tensor) -> Tensor:
    """-log D(G(z)), from logits, shape (B,): the non-saturating loss.

    Source: Goodfellow et al. 2014, arXiv:1406.2661, section 3.
    """
    return F.softplus(-fake)


def gradient_penalty(logits: Tensor, images: Tensor) -> Tensor:
    """R1: |grad_x D(x)|^2 / 2 of the logit of each real image, shape (B,).

    Args:
        logits: Shape (B,), computed from `images`, which require gradients.
        images: Real images, shape (B, C, H, W).

    Source: Mescheder et al. 2018, arXiv:1801.04406, equation 9.
    """
    (slope,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return slope.float().square().flatten(1).sum(1) / 2


def feature_distance(real: Tensor, fake: Tensor) -> Tensor:
    """Squared distance of the mean features of two batches, one number: feature matching.

    Source: Salimans et al. 2016, arXiv:1606.03498, section 3.1.
    """
    return (real.mean(dim=0) - fake.mean(dim=0)).square().mean()
