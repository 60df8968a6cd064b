"""Binary cross-entropy of independent labels, blanks left out."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from medgraft.train.losses import loss


@loss(
    "binary_cross_entropy",
    kind="independent",
    source="Irvin et al. 2019, arXiv:1901.07031, policy U-Ignore",
)
def binary_cross_entropy(
    logits: Tensor, targets: Tensor, *, weights: Tensor, smoothing: float
) -> tuple[Tensor, float]:
    """Sum over known entries of -w_k t log p - (1 - t) log(1 - p), with p = sigmoid(z).

    Args:
        logits: Shape (B, K).
        targets: Shape (B, K) in [0, 1]; NaN entries have no gradient at all.
        weights: Shape (K,), of the positives of each label.
        smoothing: Targets are moved towards one half by this share, in [0, 1).

    Returns:
        The sum, and the number of entries that counted.
    """
    known = ~torch.isnan(targets)
    soft = torch.where(known, targets, torch.zeros_like(targets))
    soft = soft * (1 - smoothing) + smoothing / 2
    terms = F.binary_cross_entropy_with_logits(logits, soft, pos_weight=weights, reduction="none")
    return torch.where(known, terms, torch.zeros_like(terms)).sum(), float(known.sum())
