"""What the files of this folder share: networks of timm, taken apart into stages."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
from torch import nn

from medgraft.errors import ArgumentError
from medgraft.nets.backbones import Parts


def create(name: str, in_channels: int, **options: Any) -> nn.Module:
    """A network of timm without classifier and with random weights."""
    import timm

    try:
        network: nn.Module = timm.create_model(
            name, pretrained=False, in_chans=in_channels, num_classes=0, **options
        )
    except TypeError as error:
        raise ArgumentError(f"{name} must accept the options {options}: {error}.") from error
    return network


def knows(name: str) -> bool:
    """Whether timm has a network of that name."""
    import timm

    return bool(timm.is_model(name.partition(".")[0]))


def chain(**modules: nn.Module) -> nn.Sequential:
    """Modules one after the other, under the names they had."""
    return nn.Sequential(OrderedDict(modules))


def parts(network: nn.Module, stages: dict[str, nn.Module]) -> Parts:
    """Name the tensors of `stages` as `network` does, by identity of the tensors."""
    theirs = {id(tensor): name for name, tensor in network.state_dict(keep_vars=True).items()}
    ours = nn.ModuleDict(stages).state_dict(keep_vars=True)
    return Parts(stages, {name: theirs[id(tensor)] for name, tensor in ours.items()})


def features_of_any(name: str, in_channels: int, **options: Any) -> Parts:
    """Stages of a timm network that yields features in a chain.

    Stage ``feature1`` ends where timm's first feature map is taken, and so on.

    Raises:
        ArgumentError: If timm cannot take features from this network stage by stage.
    """
    import timm
    from timm.models._features import FeatureListNet

    try:
        network = timm.create_model(
            name, pretrained=False, in_chans=in_channels, features_only=True, **options
        )
    except (RuntimeError, TypeError, AttributeError, AssertionError) as error:
        raise _no_chain(name) from error
    if type(network) is not FeatureListNet:
        raise _no_chain(name)
    stages: dict[str, nn.Module] = {}
    pending: OrderedDict[str, nn.Module] = OrderedDict()
    for child, module in network.items():
        pending[child] = module
        if child in network.return_layers:
            stages[f"feature{len(stages) + 1}"] = nn.Sequential(pending)
            pending = OrderedDict()
    flat = parts(network, stages)
    with torch.device("meta"):  # names only: no memory, no arithmetic
        full = set(timm.create_model(name, num_classes=0, **options).state_dict())
    return Parts(stages, {ours: _unflatten(n, full) for ours, n in flat.source_names.items()})


def _unflatten(name: str, full: set[str]) -> str:
    """The name in the full network of a tensor of a child that timm flattened.

    Examples:
        >>> _unflatten("stages_0.norm.bias", {"stages.0.norm.bias"})
        'stages.0.norm.bias'
    """
    child, _, rest = name.partition(".")
    places = [place for place, letter in enumerate(child) if letter == "_"]
    candidates = [child, *(f"{child[:place]}.{child[place + 1 :]}" for place in places)]
    return next(
        (found for candidate in candidates if (found := f"{candidate}.{rest}") in full), name
    )


def _no_chain(name: str) -> ArgumentError:
    return ArgumentError(
        f"a timm network must give features one stage after another, but {name!r} does not."
        " Choose one of `medgraft list backbones`, or a convolutional network of timm."
    )
