"""Backbones: networks as an ordered list of named stages.

To add one, add a module to this folder that registers a function with `backbone`. It takes
the number of input channels and options of the architecture, and returns the stages in the
order in which data pass through them. Every parameter belongs to exactly one stage. Its
contract is checked by ``tests/nets/test_backbones.py``. Any network of timm needs no file:
``timm:convnext_atto`` takes its stages from timm's own list of features.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from torch import nn

from medgraft.errors import ArgumentError, UnknownNameError
from medgraft.registry import Registry


@dataclass(frozen=True)
class Parts:
    """What an architecture is made of.

    Attributes:
        stages: Modules by stage name, in order; each takes the output of the one before.
        source_names: For each tensor name of the stages ("layer1.0.conv1.weight"), its name
            in the library that the architecture comes from, so that public weights load.
    """

    stages: dict[str, nn.Module]
    source_names: dict[str, str]


class Builder(Protocol):
    """Builds the stages of one architecture."""

    def __call__(self, in_channels: int, **options: Any) -> Parts: ...  # noqa: D102


@dataclass(frozen=True)
class Architecture:
    """A registered architecture.

    Attributes:
        name: As it is asked for, such as "resnet18".
        build: Makes its stages.
        dims: Spatial axes of its input, 2 or 3.
        source: Paper.
        smallest_side: Least input side that every stage survives, in pixels.
        pads: Whether dense output pads images whose sides the strides do not divide; if not,
            they are refused.
    """

    name: str
    build: Builder
    dims: int
    source: str
    smallest_side: int = 32
    pads: bool = True


backbones: Registry[Architecture] = Registry("backbone", __name__)


def backbone(
    *names: str, source: str, dims: int = 2, smallest_side: int = 32, pads: bool = True
) -> Callable[[Callable[..., Parts]], Callable[..., Parts]]:
    """Register a function ``(name, in_channels, **options) -> Parts`` under each of `names`."""

    def register(build: Callable[..., Parts]) -> Callable[..., Parts]:
        told = f"{dims}-D. {inspect.cleandoc(build.__doc__ or '')}\n\nSource: {source}."
        for name in names:
            bound = _bound(build, name, told)
            backbones.add(name, Architecture(name, bound, dims, source, smallest_side, pads))
        return build

    return register


def _bound(build: Callable[..., Parts], name: str, told: str) -> Builder:
    def bound(in_channels: int, **options: Any) -> Parts:
        try:
            inspect.signature(build).bind(name, in_channels, **options)
        except TypeError as error:
            raise ArgumentError(f"{name} must accept the options {options}: {error}.") from error
        return build(name, in_channels, **options)

    bound.__doc__ = told
    return bound


def find(name: str) -> Architecture:
    """The architecture of that name: a registered one, or ``timm:<any>``.

    Raises:
        UnknownNameError: If neither medgraft nor timm has it.
    """
    prefix, _, rest = name.partition(":")
    if prefix != "timm" or not rest:
        return backbones.get(name)
    from medgraft.nets.backbones._timm import features_of_any, knows
    from medgraft.nets.backbones.mobile import is_mobile, mobile

    if not knows(rest):
        raise UnknownNameError(
            f"timm has no network called {rest!r}. See timm.list_models() for those it has,"
            " or `medgraft list backbones` for those with finer stages."
        )
    build = mobile if is_mobile(rest) else features_of_any
    return Architecture(name, _bound(build, rest, f"2-D. {rest} of timm."), 2, f"timm {rest}")
