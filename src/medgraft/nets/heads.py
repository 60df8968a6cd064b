"""Heads: from the last maps of a backbone to logits."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from medgraft.errors import ArgumentError
from medgraft.nets.convolution import convolution
from medgraft.registry import unknown_name


class GlobalAverage(nn.Module):
    """Mean over all spatial axes: (B, C, *S) to (B, C)."""

    def forward(self, x: Tensor) -> Tensor:
        """The means."""
        return x.flatten(2).mean(dim=2)


class GlobalMaxAndAverage(nn.Module):
    """Greatest value and mean over all spatial axes, in this order: (B, C, *S) to (B, 2 C)."""

    def forward(self, x: Tensor) -> Tensor:
        """The greatest values, then the means."""
        flat = x.flatten(2)
        return torch.cat([flat.amax(dim=2), flat.mean(dim=2)], dim=1)


def linear_head(channels: int, classes: int) -> nn.Sequential:
    """Global average and one linear layer."""
    head = nn.Sequential()
    head.add_module("pool", GlobalAverage())
    head.add_module("fc", nn.Linear(channels, classes))
    return head


def concat_head(channels: int, classes: int) -> nn.Sequential:
    """Maximum and average, then two linear layers with batch norm and dropout.

    Source: the head of fastai's `cnn_learner` (Howard and Gugger 2020, arXiv:2002.04688): dropout
    of a quarter and of a half, 512 hidden units, Kaiming-normal matrices, biases of zero.

    Examples:
        >>> sum(p.numel() for p in concat_head(2048, 2).parameters())
        2107906
    """
    head = nn.Sequential()
    for name, module in {
        "pool": GlobalMaxAndAverage(),
        "bn1": nn.BatchNorm1d(2 * channels),
        "drop1": nn.Dropout(0.25),
        "fc1": nn.Linear(2 * channels, 512),
        "act": nn.ReLU(inplace=True),
        "bn2": nn.BatchNorm1d(512),
        "drop2": nn.Dropout(0.5),
        "fc": nn.Linear(512, classes),
    }.items():
        head.add_module(name, module)
        if isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight)
            nn.init.zeros_(module.bias)
    return head


def convolution_head(dims: int, channels: int, classes: int) -> nn.Sequential:
    """A convolution to 1,024 channels with batch norm and ReLU, global average, a linear layer.

    Source: the classifying branch of Semantic Genesis (Haghighi et al. 2020, arXiv:2007.06959).

    Examples:
        >>> sum(p.numel() for p in convolution_head(3, 512, 44).parameters())
        14203948
    """
    head = convolution(dims, channels, 1024)
    head.add_module("pool", GlobalAverage())
    head.add_module("fc", nn.Linear(1024, classes))
    return head


class ThreeWay(nn.Module):
    """Three logits of some labels become one: positive minus negative, (B, K + 2 M) to (B, K).

    So the sigmoid of an answer is the softmax over negative and positive alone, whatever the
    logit of "uncertain" is. Source: Irvin et al. 2019, arXiv:1901.07031, policy U-MultiClass.

    Attributes:
        columns: The M labels that are learnt as three classes.
        classes: K, all labels.
    """

    def __init__(self, columns: Sequence[int], classes: int) -> None:
        super().__init__()
        self.columns, self.classes = list(columns), classes
        place = torch.zeros(len(self.columns), classes)
        place[range(len(self.columns)), self.columns] = 1
        self.place: Tensor
        self.register_buffer("place", place, persistent=False)

    def forward(self, raw: Tensor) -> Tensor:
        """Logits of all labels; `raw` has those of them, then the M negative and the M uncertain ones.

        Examples:
            >>> ThreeWay([1], 2)(torch.tensor([[0.5, 3.0, 1.0, 9.0]]))
            tensor([[0.5000, 2.0000]])
        """
        negative = raw[:, self.classes : self.classes + len(self.columns)]
        return raw[:, : self.classes] - negative @ self.place.to(raw.dtype)

    def three(self, raw: Tensor) -> Tensor:
        """Logits of negative, uncertain and positive of the M labels, shape (B, M, 3)."""
        negative, unsure = raw[:, self.classes :].chunk(2, dim=1)
        return torch.stack([negative, unsure, raw[:, self.columns]], dim=2)


class TwoWay(nn.Module):
    """Two logits of one label become one: present minus absent, (B, 2) to (B, 1).

    So the sigmoid of the answer is the softmax over the two, and their common level is free to say
    something else: whether the image is a real one.
    """

    classes = 1

    def forward(self, raw: Tensor) -> Tensor:
        """The logit of the label; `raw` has that of absence first.

        Examples:
            >>> TwoWay()(torch.tensor([[1.0, 3.0]]))
            tensor([[2.]])
        """
        return raw[:, 1:] - raw[:, :1]


THREE_WAY = "+three:"  # in the name of a head, before the columns of such labels
TWO_WAY = "+two"  # at the end of the name of a head of one label

HEADS: dict[str, Callable[[int, int], nn.Sequential]] = {
    "linear": linear_head,
    "concat": concat_head,
}


def make_head(name: str, channels: int, classes: int) -> nn.Sequential:
    """The head of that name: (B, channels, *S) to logits (B, classes).

    "linear+three:0;2" is a linear head that learns the labels 0 and 2 as three classes each:
    absent, uncertain, present. "linear+two" is one that has a logit for the absence of its one label.

    Raises:
        UnknownNameError: If there is no such head.
        ArgumentError: If there is no class.
    """
    if name.endswith(TWO_WAY):
        return _two_way(name.removesuffix(TWO_WAY), channels, classes)
    plain, _, listed = name.partition(THREE_WAY)
    if plain not in HEADS:
        raise unknown_name("head", plain, HEADS)
    if classes < 1:
        raise ArgumentError(f"classes must be at least 1, got {classes}")
    if not listed:
        return HEADS[plain](channels, classes)
    columns = [int(column) for column in listed.split(";")]
    if not set(columns) <= set(range(classes)):
        raise ArgumentError(f"head {name!r} must name labels below {classes}")
    head = HEADS[plain](channels, classes + 2 * len(columns))
    head.add_module("three_way", ThreeWay(columns, classes))
    return head


def _two_way(name: str, channels: int, classes: int) -> nn.Sequential:
    if classes != 1:
        raise ArgumentError(f"a head with {TWO_WAY!r} is of one label, got {classes} classes")
    head = make_head(name, channels, 2)
    head.add_module("two_way", TwoWay())
    return head
