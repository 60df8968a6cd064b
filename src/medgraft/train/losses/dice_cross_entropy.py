"""Dice loss and cross-entropy of masks together: overlap, and a gradient at every pixel."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from medgraft.index.masks import UNLABELLED
from medgraft.train.losses import loss
from medgraft.train.losses.dice import dice


@loss(
    "dice_cross_entropy", kind="masks", source="Isensee et al. 2021, doi:10.1038/s41592-020-01008-z"
)
def dice_cross_entropy(
    logits: Tensor, targets: Tensor, *, weights: Tensor, smoothing: float
) -> tuple[Tensor, float]:
    """Sum over images of the Dice loss and the mean cross-entropy of their labelled pixels.

    Args:
        logits: Shape (B, K, *S), K of 2 or more; the background is class 0.
        targets: Class of each pixel, whole numbers, shape (B, *S); 255 where unknown.
        weights: Shape (K,), of the classes in the cross-entropy.
        smoothing: Share of each pixel that is spread evenly over the classes, in [0, 1).

    Returns:
        The sum, and the number of images with a labelled pixel.
    """
    total, count = dice(logits, targets, weights=weights, smoothing=smoothing)
    known = (targets != UNLABELLED).flatten(1)
    terms = F.cross_entropy(
        logits.float(),
        targets.long(),
        weight=weights.float(),
        ignore_index=UNLABELLED,
        reduction="none",
        label_smoothing=smoothing,
    ).flatten(1)
    terms = torch.where(known, terms, torch.zeros_like(terms))
    return total + (terms.sum(dim=1) / known.sum(dim=1).clamp(min=1)).sum(), count
