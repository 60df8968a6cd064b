"""From a name to a network."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Generic

import torch
from torch import nn
from typing_extensions import TypeVar  # typing's has no default before Python 3.13

from medgraft.errors import ArgumentError
from medgraft.nets.backbones import find
from medgraft.nets.encoder_decoder import EncoderDecoder, YNetwork
from medgraft.nets.heads import make_head
from medgraft.nets.network import Backbone, Network, Staged, cut
from medgraft.nets.weights import Fit, WeightFile, check_architecture, load_into, open_weights


def outline(name: str, *, after: str | None = None) -> Backbone:
    """The stages of a backbone without their weights: neither memory nor arithmetic.

    Raises:
        UnknownNameError: If there is no such backbone or stage; the near names are offered.
        ArgumentError: If a network of timm is not a chain of stages.
    """
    with torch.device("meta"):
        return create(name, in_channels=3, classes=2, after=after).network.backbone


Kind = TypeVar("Kind", bound=Staged, default=Network)


@dataclass(frozen=True)
class Created(Generic[Kind]):
    """A network and where its weights come from.

    Attributes:
        network: Ready to train.
        options: Options of the architecture that were used.
        weights: The file they were loaded from; None for random weights.
        fit: Which tensors were loaded; None for random weights.
    """

    network: Kind
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
    return create_with(
        lambda channels: make_head(head, channels, classes),
        name,
        in_channels=in_channels,
        weights=weights,
        after=after,
        options=options,
    )


def create_with(
    head: Callable[[int], nn.Sequential],
    name: str,
    *,
    in_channels: int,
    weights: str | None = None,
    after: str | None = None,
    options: dict[str, Any] | None = None,
) -> Created:
    """Build a network with a head of your own, which need not give logits.

    Args:
        head: Makes it, for maps of so many channels; its first layer must pool.
        name: As in `create`, and so are the arguments not named here.
        in_channels: Channels of the images, 1 or more.
        weights: As in `create`.
        after: Last stage to keep.
        options: Further options of the architecture.

    Raises:
        UnknownNameError: If there is no such backbone or stage.
        WeightsError: If the weights do not fit.
    """
    backbone, file, used = _backbone(
        name, in_channels=in_channels, weights=weights, after=after, options=options
    )
    network = Network(backbone, head(backbone.out_channels))
    return Created(network, used, file, load_into(network, file) if file else None)


def create_dense(
    name: str,
    *,
    in_channels: int,
    out_channels: int,
    weights: str | None = None,
    after: str | None = None,
    upsampling: str = "nearest",
    skips: bool = True,
    parts: Collection[str] | None = None,
    options: dict[str, Any] | None = None,
) -> Created[EncoderDecoder]:
    """Build a network that answers with an image: for segmentation and for restoring.

    Sides of images must be divisible by the deepest stride with `unet2d` and `unet3d` (8). With
    other backbones, images of other sides are continued by their last pixels, and the answer is
    cropped.

    Args:
        name: As in `create`; stages behind a global pool are left out.
        in_channels: Channels of the images, 1 or more.
        out_channels: Channels of the answer, 1 or more. Sigmoid or softmax belong to the loss.
        weights: As in `create`. A decoder and an output in the file are loaded where they fit,
            each as a whole.
        after: Last stage to keep; None keeps all.
        upsampling: "nearest" (values repeated) or "transposed" (learnt).
        skips: Whether the decoder sees earlier stages; without, the network is an auto-encoder
            whose deepest maps are the only path.
        parts: What to load besides the backbone: of "decoder", "output"; None for all that fits.
        options: Further options of the architecture.

    Raises:
        UnknownNameError: If there is no such backbone, stage, part or up-sampling.
        WeightsError: If the weights of the backbone do not fit.

    Examples:
        >>> made = create_dense("unet3d", in_channels=1, out_channels=1)
        >>> sum(p.numel() for p in made.network.parameters())
        16320257
    """
    _positive(out_channels=out_channels)
    backbone, file, used = _backbone(
        name, in_channels=in_channels, weights=weights, after=after, options=options
    )
    pads = find(name).pads
    network = EncoderDecoder(backbone, out_channels, upsampling=upsampling, skips=skips, pads=pads)
    return Created(network, used, file, load_into(network, file, parts=parts) if file else None)


def create_y(
    name: str,
    *,
    in_channels: int,
    out_channels: int,
    classes: int,
    weights: str | None = None,
    after: str | None = None,
    upsampling: str = "nearest",
    skips: bool = True,
    parts: Collection[str] | None = None,
    options: dict[str, Any] | None = None,
) -> Created[YNetwork]:
    """Build a network of two branches: as `create_dense`, and a head of `classes` logits beside.

    Args:
        name: As in `create_dense`, and so are the arguments not named here.
        in_channels: Channels of the images, 1 or more.
        out_channels: Channels of the answer.
        classes: Number of logits.
        weights: As in `create_dense`.
        after: Last stage to keep.
        upsampling: As in `create_dense`.
        skips: As in `create_dense`.
        parts: Of "decoder", "output", "head".
        options: Further options of the architecture.

    Raises:
        UnknownNameError: If there is no such backbone, stage, part or up-sampling.
        WeightsError: If the weights of the backbone do not fit.
    """
    _positive(out_channels=out_channels, classes=classes)
    backbone, file, used = _backbone(
        name, in_channels=in_channels, weights=weights, after=after, options=options
    )
    pads = find(name).pads
    network = YNetwork(
        backbone, out_channels, classes, upsampling=upsampling, skips=skips, pads=pads
    )
    return Created(network, used, file, load_into(network, file, parts=parts) if file else None)


def _backbone(
    name: str,
    *,
    in_channels: int,
    weights: str | None,
    after: str | None,
    options: dict[str, Any] | None,
) -> tuple[Backbone, WeightFile | None, dict[str, Any]]:
    """The stages, the file whose weights they are to have, and the options that were used."""
    _positive(in_channels=in_channels)
    architecture = find(name)
    file = None if weights in (None, "none") else open_weights(str(weights), backbone=name)
    if file is not None:
        check_architecture(file, name)
    options = {**(file.options if file else {}), **(options or {})}
    built = architecture.build(in_channels, **options)
    try:
        backbone = Backbone(
            name,
            built.stages,
            in_channels=in_channels,
            dims=architecture.dims,
            source_names=built.source_names,
            options=options,
        )
    except (AssertionError, RuntimeError, ValueError) as error:
        raise ArgumentError(
            f"a network must take images of any size, stage after stage, but {name!r} does not"
            f" ({str(error).splitlines()[0].rstrip('.')}). Choose another backbone."
        ) from error
    return backbone if after is None else cut(backbone, after), file, options


def _positive(**counts: int) -> None:
    for name, count in counts.items():
        if count < 1:
            raise ArgumentError(f"{name} must be at least 1, got {count}")
