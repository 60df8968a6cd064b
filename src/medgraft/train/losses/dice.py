"""Soft Dice loss of masks, class by class."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from medgraft.index.masks import UNLABELLED
from medgraft.train.losses import loss


@loss("dice", kind="masks", source="Milletari et al. 2016, arXiv:1606.04797, smoothed by 1")
def dice(
    logits: Tensor,
    targets: Tensor,
    *,
    weights: Tensor,  # noqa: ARG001 (the overlap of a class does not depend on its frequency)
    smoothing: float,  # noqa: ARG001 (of cross-entropy)
) -> tuple[Tensor, float]:
    """Sum over images of the mean over classes of 1 - (2 I + 1) / (A + B + 1).

    I is the sum of p t over the pixels of an image, A that of p and B that of t, for each class
    but the background. Pixels that nobody labelled count for nothing.

    Args:
        logits: Shape (B, K, *S), K of 2 or more; the background is class 0.
        targets: Class of each pixel, whole numbers, shape (B, *S); 255 where unknown.
        weights: Not used.
        smoothing: Not used.

    Returns:
        The sum, and the number of images with a labelled pixel.
    """
    known = targets != UNLABELLED
    share = logits.float().softmax(dim=1)[:, 1:] * known[:, None]
    truth = one_hot(targets, logits.shape[1])[:, 1:]
    axes = tuple(range(2, logits.ndim))
    both = (share * truth).sum(dim=axes)
    whole = share.sum(dim=axes) + truth.sum(dim=axes)
    terms = (1 - (2 * both + 1) / (whole + 1)).mean(dim=1)
    labelled = known.flatten(1).any(dim=1)
    return (terms * labelled).sum(), float(labelled.sum())


def one_hot(targets: Tensor, classes: int) -> Tensor:
    """(B, *S) of classes to (B, classes, *S) of 1 and 0, float32; zeros where unlabelled.

    Examples:
        >>> one_hot(torch.tensor([[0, 1, 255]]), 2).tolist()
        [[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]
    """
    known = targets != UNLABELLED
    held = torch.where(known, targets.long(), 0)
    return F.one_hot(held, classes).movedim(-1, 1).float() * known[:, None]
