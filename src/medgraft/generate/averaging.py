"""A moving average of a network's weights, which draws better than the weights do."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class Averaged(nn.Module):
    """A network that learns, and an average of its latest weights that answers for it.

    In training the network itself answers, in evaluation the average. Weights of rivals circle
    around where they would come to rest, and never do; their average lies nearer to it.

    Attributes:
        learner: The network that is moved.
        average: Of the same shape; nothing moves it but `follow`.
        keep: Share of the average that stays when it follows, once it has followed often.

    Source: Yazıcı et al. 2019, arXiv:1806.04498, section 3.1.

    Examples:
        >>> one = Averaged(nn.Linear(1, 1, bias=False), keep=0.5)
        >>> _ = nn.init.constant_(one.learner.weight, 4), nn.init.constant_(one.average.weight, 0)
        >>> one.train()(torch.ones(1, 1)).item(), one.eval()(torch.ones(1, 1)).item()
        (4.0, 0.0)
        >>> for _ in range(20):
        ...     one.follow()
        >>> round(one(torch.ones(1, 1)).item(), 3)
        4.0
    """

    followed: Tensor

    def __init__(self, learner: nn.Module, *, keep: float) -> None:
        super().__init__()
        self.learner = learner
        self.average = copy.deepcopy(learner).requires_grad_(requires_grad=False)
        self.keep = keep
        self.register_buffer("followed", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def follow(self) -> None:
        """Move the average towards the network; in the beginning faster, (1 + t) / (10 + t)."""
        times = int(self.followed)
        weight = 1 - min(self.keep, (1 + times) / (10 + times))
        mine, its = self.average.state_dict(), self.learner.state_dict()
        for name, tensor in mine.items():
            if tensor.is_floating_point():
                tensor.lerp_(its[name], weight)
            else:
                tensor.copy_(its[name])
        self.followed += 1

    def forward(self, *inputs: Tensor | None) -> Tensor:
        """What the network answers in training, and its average otherwise."""
        answering = self.learner if self.training else self.average
        answer: Tensor = answering(*inputs)
        return answer


def averaged(network: nn.Module, keep: float) -> nn.Module:
    """The network with its average; itself if nothing is to be kept."""
    return Averaged(network, keep=keep) if keep else network


def learning(module: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that a loss may move, by name."""
    return {name: each for name, each in module.named_parameters() if each.requires_grad}


def follow(module: nn.Module) -> None:
    """Let every average in a module follow what learns beside it."""
    for each in module.modules():
        if isinstance(each, Averaged):
            each.follow()
