"""From images in [0, 1] to probabilities, as one module: what is exported."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from medgraft.train.supervised import Predictor


class Answers(nn.Module):
    """The network of a run between its normalisation and its softmax or sigmoid.

    Args:
        predictor: A loaded run.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, predictor: Predictor) -> None:
        super().__init__()
        self.network = predictor.network
        self.exclusive = predictor.kind == "exclusive"
        shape = (1, -1) + (1,) * self.network.backbone.dims
        self.register_buffer("mean", torch.tensor(predictor.normalise.mean).view(shape))
        self.register_buffer("std", torch.tensor(predictor.normalise.std).view(shape))

    def forward(self, images: Tensor) -> Tensor:
        """Probabilities in [0, 1], shape (B, K), of images in [0, 1], shape (B, C, *S)."""
        logits: Tensor = self.network((images - self.mean) / self.std)
        return logits.softmax(dim=1) if self.exclusive else logits.sigmoid()
