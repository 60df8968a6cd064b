"""The segmentation objective: one network, one loss of masks, mean Dice on validation images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from medgraft.index.masks import UNLABELLED
from medgraft.prepare.store import Store
from medgraft.train.losses import losses
from medgraft.train.objective import Loss, Part
from medgraft.train.patches import PatchBatch
from medgraft.train.segmentation.segmenter import Segmenter
from medgraft.train.supervised import stage_groups

LOSS = "dice_cross_entropy"
TINY = 1e-12  # a probability of zero has no logarithm


@dataclass
class Segmentation:
    """Learn masks.

    Attributes:
        predictor: The network and how to use it.
        store: Images and masks.
        held_out: Rows of the store of the validation images, shape (N,); possibly none.
        loss_name: A registered loss of masks.
        weights: Of the classes in the loss, shape (K,).
        smoothing: Label smoothing.
        scales: Factor on the learning rate by stage; 1 for those not named.
    """

    predictor: Segmenter
    store: Store
    held_out: np.ndarray
    loss_name: str
    weights: Tensor
    smoothing: float = 0.0
    scales: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._loss = losses.get(self.loss_name)
        network = self.predictor.network
        self._parts = {"network": Part(network, stage_groups(network, self.scales))}

    @property
    def parts(self) -> Mapping[str, Part]:
        """One part, the network."""
        return self._parts

    def loss(self, part: str, batch: PatchBatch) -> Loss:  # noqa: ARG002 (there is one part)
        """The loss of the network over the labelled pixels of a batch."""
        logits = self.predictor.network(self.predictor.normalise(batch.images))
        total, count = self._loss.function(
            logits.float(), batch.masks, weights=self.weights, smoothing=self.smoothing
        )
        return Loss(total, count)

    def validate(self) -> dict[str, float]:
        """Loss and mean Dice over whole validation images and classes; the Dice decides.

        Of several processes each takes a share of the images, and all return the whole.
        """
        processes, device = self.predictor.processes, self.predictor.placement.device
        sums = torch.zeros(3, dtype=torch.float64)  # Dice, loss, images
        for row in self.held_out[processes.rank :: processes.world]:
            sums += self._judged(np.array([row]))
        found = sums.to(device, torch.float64 if device.type != "mps" else torch.float32)
        processes.sum_tensors([found])
        dice, loss, count = found.tolist()
        if not count:
            return {}
        dice, loss = dice / count, loss / count
        return {"loss_val": loss, "dice_val": dice, "score": dice - 1e-6 * loss}

    def _judged(self, row: np.ndarray) -> Tensor:
        truth = torch.from_numpy(self.store.gather_masks(row))[:, 0]
        share = self.predictor.probabilities(self.store.gather(row)[0], self.store.scale)[None]
        total, count = self._loss.function(
            share.clamp_min(TINY).log(),  # softmax takes them back to what they were
            truth,
            weights=torch.ones(len(self.weights)),
            smoothing=0.0,
        )
        found = dice_of(truth[0], share[0].argmax(dim=0), len(self.weights))
        return torch.tensor([found * count, float(total), count], dtype=torch.float64)


def dice_of(truth: Tensor, said: Tensor, classes: int) -> float:
    """Mean Dice over the classes but the background, of one image; 1 where both are empty.

    Args:
        truth: Class of each pixel, 255 where unknown, which counts for nothing.
        said: Class of each pixel.
        classes: How many there are, the background among them.

    Examples:
        >>> dice_of(torch.tensor([0, 1, 1, 255]), torch.tensor([0, 1, 0, 1]), 2)
        0.6666666666666666
    """
    known = truth != UNLABELLED
    pairs = truth[known].long() * classes + said[known].long()
    table = torch.bincount(pairs, minlength=classes**2).reshape(classes, classes).double()
    both, whole = table.diagonal()[1:], (table.sum(dim=0) + table.sum(dim=1))[1:]
    return float(torch.where(whole > 0, 2 * both / whole.clamp_min(1), 1.0).mean())
