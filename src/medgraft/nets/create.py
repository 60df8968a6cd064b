"""From a name to a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from medgraft.errors import ArgumentError
from medgraft.nets.backbones import find
from medgraft.nets.heads import make_head
from medgraft.nets.network import Backbone, Network, cut
from medgraft.nets.weights import Fit, WeightFile, load_into, open_weights


def outline(name: str, *, after: str | None = None) -> Backbone:
    """The stages of a backbone without their weights: neither memory nor arithmetic.

    Raises:
        UnknownNameError: If there is no such backbone or stage; the near names are offered.
        ArgumentError: If a network of timm is not a chain of stages.
    """
    with torch.device("meta"):
        return create(name, in_channels=3, classes=2, after=after).network.backbone


@dataclass(frozen=True)
class Created:
    """A network and where its weights come from.

    Attributes:
        network: Ready to train.
        options: Options of the architecture that were used.
        weights: The file they were loaded from; None for random weights.
        fit: Which tensors were loaded; None for random weights.
    """

    network: Network
    options: dict[str, Any]
    weights: WeightFile | None = None
    fit: Fit | None = None


def create(
    name: str,
    *,
    in_channels: int,
    classes: int,
    weights: str | None = None,
    after: str | None = None,
    head: str = "linear",
    options: dict[str, Any] | None = None,
) -> Created:
    """Build a network.

    Args:
        name: A backbone of `medgraft list backbones`, or ``timm:<name>``.
        in_channels: Channels of the images, 1 or more.
        classes: Number of logits.
        weights: None or "none" for random weights, "imagenet", a ``.safetensors`` file or a
            run folder. Options that the file names (such as its padding) are applied.
        after: Last stage to keep; None keeps all.
        head: "linear" or "concat", see `medgraft.nets.heads`.
        options: Further options of the architecture.

    Raises:
        UnknownNameError: If there is no such backbone or stage.
        WeightsError: If the weights do not fit.

    Examples:
        >>> made = create("resnet18", in_channels=1, classes=14, after="layer3")
        >>> made.network.backbone.names
        ['stem', 'layer1', 'layer2', 'layer3']
        >>> sum(p.numel() for p in made.network.parameters())  # of 3 channels: 2,786,382
        2780110
    """
    if in_channels < 1:
        raise ArgumentError(f"in_channels must be at least 1, got {in_channels}")
    architecture = find(name)
    file = None if weights in (None, "none") else open_weights(str(weights), backbone=name)
    options = {**(file.options if file else {}), **(options or {})}
    built = architecture.build(in_channels, **options)
    try:
        backbone = Backbone(
            name,
            built.stages,
            in_channels=in_channels,
            dims=architecture.dims,
            source_names=built.source_names,
        )
    except (AssertionError, RuntimeError, ValueError) as error:
        raise ArgumentError(
            f"a network must take images of any size, stage after stage, but {name!r} does not"
            f" ({str(error).splitlines()[0].rstrip('.')}). Choose another backbone."
        ) from error
    if after is not None:
        backbone = cut(backbone, after)
    network = Network(backbone, make_head(head, backbone.out_channels, classes))
    return Created(network, options, file, load_into(network, file) if file else None)
