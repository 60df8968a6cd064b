"""Cross-entropy of exclusive classes."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from medgraft.train.losses import loss


@loss("cross_entropy", kind="exclusive", source="Bishop 2006, eq. 4.108")
def cross_entropy(
    logits: Tensor, targets: Tensor, *, weights: Tensor, smoothing: float
) -> tuple[Tensor, float]:
    """Sum over images of -sum_k w_k t_k log softmax(z)_k.

    Args:
        logits: Shape (B, K).
        targets: Shape (B, K), each row a distribution (one-hot, or mixed); a row with a NaN
            counts for nothing.
        weights: Shape (K,), with mean 1 over the training images.
        smoothing: Share of each target that is spread evenly over the classes, in [0, 1).

    Returns:
        The sum, and the number of rows that counted.
    """
    known = ~torch.isnan(targets).any(dim=1)
    soft = torch.where(known[:, None], targets, torch.zeros_like(targets))
    soft = soft * (1 - smoothing) + known[:, None] * smoothing / targets.shape[1]
    terms = -(soft * weights * F.log_softmax(logits, dim=1)).sum()
    return terms, float(known.sum())
