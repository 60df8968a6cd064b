"""How various samples are beside real images: what tells that a generator has collapsed."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

SIDE = 16  # pixels; noise and blur differ at larger sides, and whether two images are the same does not
FEW = 0.3  # below this share of the distances among real images, samples are called too alike


@dataclass(frozen=True)
class Diversity:
    """Distances among samples, as shares of those among as many real images; 1 is alike.

    Attributes:
        spread: Of the mean distance of a pair: near 0 if all samples are one.
        distinct: Of the median distance of each from its nearest other one: near 0 also if
            samples are copies of a few.
    """

    spread: float
    distinct: float

    @property
    def collapsed(self) -> bool:
        """Whether samples are too alike."""
        return min(self.spread, self.distinct) < FEW


def diversity(samples: Tensor, real: Tensor) -> Diversity:
    """How various samples are, by Euclidean distances of images averaged down to 16 pixels a side.

    Args:
        samples: Shape (N, C, S, S), N at least 2.
        real: Shape (N, C, S, S); nearest neighbours depend on how many there are.
    """
    spread, distinct = _distances(samples)
    real_spread, real_distinct = _distances(real)
    return Diversity(spread / max(real_spread, 1e-12), distinct / max(real_distinct, 1e-12))


def _distances(images: Tensor) -> tuple[float, float]:
    """Mean distance of a pair, and median distance to the nearest other image."""
    small = F.adaptive_avg_pool2d(images.double(), SIDE).flatten(1)
    apart = torch.cdist(small, small)
    others = ~torch.eye(len(apart), dtype=torch.bool, device=apart.device)
    nearest = apart.masked_fill(~others, torch.inf).min(dim=1).values
    return float(apart[others].mean()), float(nearest.median())
