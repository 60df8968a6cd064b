"""What the batch norms of a network remember of the images that it was trained on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from medgraft.advise.frechet import per_channel
from medgraft.nets import Network


@dataclass
class Seen:
    """Mean and variance per channel of what has entered one batch norm so far.

    Attributes:
        norm: The batch norm.
        count: Values per channel.
        total: Their sum, shape (C,), float64.
        squares: Their sum of squares, shape (C,), float64, about the stored mean.
    """

    norm: _BatchNorm
    count: int = 0
    total: Tensor | float = 0.0
    squares: Tensor | float = 0.0

    def take(self, x: Tensor) -> None:
        """Add a batch, shape (B, C, *S)."""
        apart = x.detach().transpose(0, 1).flatten(1).double()
        apart = apart - self._stored_mean[:, None]  # else large means would drown small variances
        self.count += apart.shape[1]
        self.total = self.total + apart.sum(dim=1)
        self.squares = self.squares + (apart**2).sum(dim=1)

    @property
    def _stored_mean(self) -> Tensor:
        return torch.as_tensor(self.norm.running_mean).double()

    def distances(self) -> np.ndarray:
        """Squared Fréchet distance of each channel from what the norm has stored, shape (C,).

        The unit is the stored variance plus the norm's own epsilon, the number by which the
        norm divides: a channel that was silent in the source would have no unit otherwise.
        """
        shift, squares = torch.as_tensor(self.total), torch.as_tensor(self.squares)
        mean = shift / self.count
        variance = (squares / self.count - mean**2).clamp(min=0)
        stored = torch.as_tensor(self.norm.running_var).double() + self.norm.eps
        own = variance + self.norm.eps
        arrays = (t.cpu().numpy() for t in (mean, own, torch.zeros_like(mean), stored))
        return per_channel(*arrays)


@dataclass
class Watch:
    """The batch norms of a network, by stage.

    Attributes:
        stages: Stage to its batch norms with stored statistics; stages without any are missing.
    """

    stages: dict[str, list[Seen]] = field(default_factory=dict)

    def distances(self) -> dict[str, float]:
        """Mean over the channels of all batch norms of a stage; 0 means as the source."""
        return {
            stage: float(np.concatenate([one.distances() for one in seen]).mean())
            for stage, seen in self.stages.items()
            if all(one.count for one in seen)
        }


@contextmanager
def watching(network: Network) -> Iterator[Watch]:
    """Within the block, take down what enters the batch norms of `network`.

    The network must be in evaluation mode, as it is used: each stage then sees what the stages
    before it make of the images with the statistics that they have stored.
    """
    watch = Watch()
    handles = []
    for stage, module in network.backbone.stages.items():
        for norm in module.modules():
            if isinstance(norm, _BatchNorm) and norm.running_mean is not None:
                seen = Seen(norm)
                watch.stages.setdefault(stage, []).append(seen)
                handles.append(norm.register_forward_pre_hook(_into(seen)))
    try:
        yield watch
    finally:
        for handle in handles:
            handle.remove()


def _into(seen: Seen) -> Any:
    def hook(_: torch.nn.Module, arguments: tuple[Tensor, ...]) -> None:
        seen.take(arguments[0])

    return hook
