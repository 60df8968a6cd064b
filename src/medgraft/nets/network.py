"""Networks: a backbone of named stages and what stands on it. Everything is a cut at a stage."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from medgraft.nets.heads import ThreeWay, TwoWay, linear_head
from medgraft.registry import unknown_name


class Backbone(nn.Module):
    """An ordered list of named stages.

    Attributes:
        name: The architecture.
        stages: Modules by name; data pass through them in this order.
        channels: Channels that leave each stage.
        strides: Input pixels per output pixel of each stage; None after a global pool.
        source_names: Our tensor names to those of the library that the weights come from.
        options: Of the architecture, as it was built.
    """

    def __init__(
        self,
        name: str,
        stages: Mapping[str, nn.Module],
        *,
        in_channels: int,
        dims: int = 2,
        source_names: Mapping[str, str] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.name = name
        self.options = dict(options or {})
        self.dims = dims
        self.in_channels = in_channels
        self.stages = nn.ModuleDict(dict(stages))
        self.source_names = dict(source_names or {})
        self.channels, self.strides = _measure(self.stages, in_channels, dims)

    @property
    def names(self) -> list[str]:
        """Names of the stages, in order."""
        return list(self.stages)

    @property
    def out_channels(self) -> int:
        """Channels that leave the last stage."""
        return self.channels[self.names[-1]]

    def position(self, stage: str) -> int:
        """Place of a stage in the order, from 0.

        Raises:
            UnknownNameError: If there is no such stage; the near names are offered.
        """
        if stage not in self.stages:
            raise unknown_name(f"stage of {self.name}", stage, self.names)
        return self.names.index(stage)

    def forward(self, x: Tensor) -> Tensor:
        """Maps after the last stage: (B, C, *S) to (B, channels, *S / stride)."""
        for stage in self.stages.values():
            x = stage(x)
        return x

    def through(self, x: Tensor, stage: str) -> Tensor:
        """Maps after `stage`."""
        for name in self.names[: self.position(stage) + 1]:
            x = self.stages[name](x)
        return x

    def beyond(self, x: Tensor, stage: str) -> Tensor:
        """Maps after the last stage, given the maps after `stage`."""
        for name in self.names[self.position(stage) + 1 :]:
            x = self.stages[name](x)
        return x


def _measure(
    stages: nn.ModuleDict, in_channels: int, dims: int
) -> tuple[dict[str, int], dict[str, int | None]]:
    """Channels and strides by running shapes alone (no arithmetic, no memory)."""
    side = 256 if dims == 2 else 64
    x = torch.empty((2, in_channels) + (side,) * dims, device="meta")
    channels: dict[str, int] = {}
    strides: dict[str, int | None] = {}
    with torch.no_grad():
        for name, stage in stages.items():
            held = (*stage.named_parameters(), *stage.named_buffers())
            tensors = {key: tensor.to("meta") for key, tensor in held}
            x = torch.func.functional_call(stage, tensors, (x,))
            channels[name] = x.shape[1]
            # valid padding makes 256 / 62 of what is a stride of four
            exponent = round(math.log2(side / x.shape[2]))
            strides[name] = None if x.shape[2] == 1 else 2**exponent
    return channels, strides


class Staged(nn.Module):
    """What networks on a backbone share: freezing up to a stage, and parameters by stage.

    Frozen stages neither learn nor move: their parameters take no gradient and their
    batch statistics stay as they are, whatever mode the network is put in. What a subclass
    holds besides the backbone (head, decoder, output) are its parts.

    Attributes:
        backbone: Named stages.
    """

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone
        self._frozen = 0
        self._norms_move = False

    def features(self, x: Tensor, stage: str | None = None) -> Tensor:
        """Averaged maps after `stage` (default: the last), shape (B, channels)."""
        maps = self.backbone(x) if stage is None else self.backbone.through(x, stage)
        return maps.flatten(2).mean(dim=2)

    @property
    def parts(self) -> dict[str, nn.Module]:
        """What is not the backbone, by name."""
        return {name: part for name, part in self.named_children() if part is not self.backbone}

    @property
    def frozen_through(self) -> str | None:
        """The last frozen stage, or None."""
        return self.backbone.names[self._frozen - 1] if self._frozen else None

    @property
    def still_through(self) -> str | None:
        """The last stage of which nothing learns or moves, norms included, or None."""
        return None if self._norms_move else self.frozen_through

    def freeze_through(
        self, stage: str | None, *, norms: Literal["still", "moving"] = "still"
    ) -> None:
        """Freeze every stage up to and including `stage`; None freezes nothing.

        Args:
            stage: The last frozen stage.
            norms: "moving" lets the batch norms of frozen stages learn and follow the
                statistics, as fastai does; "still" keeps them bit-identical.

        Raises:
            UnknownNameError: If there is no such stage.
        """
        self._frozen = 0 if stage is None else self.backbone.position(stage) + 1
        self._norms_move = norms == "moving"
        for place, module in enumerate(self.backbone.stages.values()):
            module.requires_grad_(place >= self._frozen)
        for norm in self._moving_norms():
            norm.requires_grad_(True)  # noqa: FBT003 (torch's signature)
        self.train(self.training)

    def _moving_norms(self) -> list[nn.Module]:
        if not self._norms_move:
            return []
        frozen = list(self.backbone.stages.values())[: self._frozen]
        return [m for stage in frozen for m in stage.modules() if isinstance(m, _BatchNorm)]

    def train(self, mode: bool = True) -> Self:  # noqa: FBT001, FBT002 (torch's signature)
        """Put the network in training or evaluation mode; frozen stages stay in evaluation."""
        super().train(mode)
        for module in list(self.backbone.stages.values())[: self._frozen]:
            module.eval()
        for norm in self._moving_norms():
            norm.train(mode)
        return self

    def parameter_groups(self) -> Iterator[tuple[str, list[nn.Parameter]]]:
        """Parameters by stage, in order, and last those of each part; frozen ones too."""
        for name, module in (*self.backbone.stages.items(), *self.parts.items()):
            yield name, list(module.parameters())


class Network(Staged):
    """A backbone and a head.

    Attributes:
        backbone: Named stages.
        head: From maps to logits; its first layer pools.
    """

    def __init__(self, backbone: Backbone, head: nn.Sequential) -> None:
        super().__init__(backbone)
        self.head = head

    def forward(self, x: Tensor) -> Tensor:
        """Logits, shape (B, classes)."""
        logits: Tensor = self.head(self.backbone(x))
        return logits

    @property
    def classes(self) -> int:
        """Number of logits."""
        last = self.head[-1]
        if isinstance(last, ThreeWay | TwoWay):
            return last.classes
        return int(list(self.head.parameters())[-1].shape[0])

    def prefix(self, x: Tensor) -> Tensor:
        """What the still stages make of images: always the same, and so worth keeping.

        With the whole backbone still, the pooling of the head is done too.
        """
        last = self.still_through
        maps = x if last is None else self.backbone.through(x, last)
        pooled: Tensor = self.head[: self._pooling](maps)
        return pooled

    def tail(self, x: Tensor) -> Tensor:
        """Logits from what `prefix` made: ``tail(prefix(x))`` is ``forward(x)``."""
        last = self.still_through
        maps = self.backbone(x) if last is None else self.backbone.beyond(x, last)
        logits: Tensor = self.head[self._pooling :](maps)
        return logits

    @property
    def _pooling(self) -> int:
        """Layers of the head that belong to the prefix: the first pools and has no parameters."""
        return int(self.still_through == self.backbone.names[-1])

    def truncate_after(self, stage: str, *, classes: int) -> Network:
        """A smaller network: the stages up to `stage`, shared with this one, and a new head.

        Stages that are frozen here are frozen there.

        Raises:
            UnknownNameError: If there is no such stage.
        """
        backbone = cut(self.backbone, stage)
        smaller = Network(backbone, linear_head(backbone.out_channels, classes))
        frozen = backbone.names[: self._frozen]
        smaller.freeze_through(frozen[-1] if frozen else None)
        return smaller


def cut(backbone: Backbone, stage: str) -> Backbone:
    """The stages of `backbone` up to and including `stage` (shared, not copied)."""
    kept = backbone.names[: backbone.position(stage) + 1]
    return Backbone(
        backbone.name,
        {name: backbone.stages[name] for name in kept},
        in_channels=backbone.in_channels,
        dims=backbone.dims,
        source_names={
            ours: theirs
            for ours, theirs in backbone.source_names.items()
            if ours.partition(".")[0] in kept
        },
        options=backbone.options,
    )
