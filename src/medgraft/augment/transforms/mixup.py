"""Blend two samples and their labels (mix-up)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt
from pydantic import Field
from scipy.special import betaincinv
from torch import Tensor

from medgraft.augment.streams import Stream
from medgraft.augment.transforms import Mixing, Shape, augmentation


@augmentation("mixup")
class Mixup(Mixing):
    """Blend each sample with another of its batch (Zhang et al. 2018, arXiv:1710.09412).

    The share follows Beta(alpha, alpha), drawn per sample; the larger part is the sample's own,
    so that one does not become the other. Blend the targets with `Draw.mix`. Masks are not
    blended: do not use it for segmentation.
    """

    alpha: float = Field(default=0.4, ge=0.05, le=10)
    """Shape of the beta distribution: near 0 hardly any blend, 1 uniform."""
    p: float = Field(default=1.0, ge=0, le=1)
    """Probability that a sample is blended."""

    def draw(self, stream: Stream, shape: Shape) -> dict[str, npt.NDArray[Any]]:
        """`share` that the sample keeps, in [0.5, 1]."""
        del shape
        # Half of the distribution, since the larger of w and 1 - w is kept.
        return {"share": betaincinv(self.alpha, self.alpha, 0.5 + 0.5 * stream.unit()[:, 0])}

    def weight(self, values: Mapping[str, Tensor]) -> Tensor:
        """The share."""
        return values["share"]
