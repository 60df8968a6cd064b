"""One network from several of one run: the mean of their weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from medgraft.progress import bar
from medgraft.seeds import derive
from medgraft.train.batches import Batches
from medgraft.train.patches import Patches
from medgraft.train.segmentation.segmenter import Segmenter
from medgraft.train.supervised import Predictor


def mean_weights(members: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of each tensor, taken in float64; of whole numbers (counters) those of the first.

    Networks of one run lie near each other, and their mean lies where the loss is flatter
    (Izmailov et al. 2018, arXiv:1803.05407). The statistics of batch norms belong to the weights
    that they were gathered under: run `estimate_norms` afterwards.

    Args:
        members: One or more, with the same names and shapes.

    Examples:
        >>> one, two = {"w": torch.tensor([1.0, 2.0])}, {"w": torch.tensor([3.0, 2.0])}
        >>> mean_weights([one, two])["w"].tolist()
        [2.0, 2.0]
    """
    return {
        name: torch.stack([m[name].double() for m in members]).mean(dim=0).to(first.dtype)
        if first.is_floating_point()
        else first.clone()
        for name, first in members[0].items()
    }


def estimate_norms(
    predictor: Predictor | Segmenter, batches: Batches | Patches, *, seed: int
) -> None:
    """Gather the statistics of batch norms anew, over one epoch of training batches.

    Each is the plain mean over the batches, augmented as in training. Frozen stages keep theirs.
    Of several processes each passes its share, and the statistics are those of the first, as
    in training.

    Args:
        predictor: Its network is changed, and left in evaluation mode.
        batches: Of training images.
        seed: Of augmentation and dropout.
    """
    network = predictor.network
    network.train()  # a network leaves its frozen stages in evaluation
    norms = [
        m
        for m in network.modules()
        if isinstance(m, _BatchNorm) and m.training and m.track_running_stats
    ]
    if norms:
        usual = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # torch's word for the plain mean
        _pass_once(predictor, batches, seed)
        for norm, momentum in zip(norms, usual, strict=True):
            norm.momentum = momentum
        predictor.processes.copy_from_first(network, buffers_only=True)
    network.eval()


def _pass_once(predictor: Predictor | Segmenter, batches: Batches | Patches, seed: int) -> None:
    rank = predictor.processes.rank
    shown = bar(total=batches.per_epoch, what="average", unit="step", quiet=rank > 0)
    with torch.no_grad():
        for batch in batches.epoch(0):
            torch.manual_seed(derive(seed, "norms", batch.step, rank))  # dropout
            predictor.logits(batch.images)
            shown.update(1)
    shown.close()
