"""Explainers: from a network and images to heat maps of one class.

To add one, add a module to this folder that registers a function with `explainer`. It takes a
network, prepared and normalised images (B, C, *S), the place of a class per image (B,) and the
name of a stage, and returns one map per image, zero or above, of the spatial shape after that
stage. It leaves no trace in the network: `untouched` sees to the modes of its modules. Its
contract is checked by ``tests/explain/test_explainers.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from medgraft.nets import Network
from medgraft.registry import Registry

Function = Callable[[Network, Tensor, Tensor, str], Tensor]


@dataclass(frozen=True)
class Explainer:
    """A registered explainer.

    Attributes:
        name: As it is asked for.
        explain: Computes the maps.
        source: Paper.
    """

    name: str
    explain: Function
    source: str


explainers: Registry[Explainer] = Registry("explainer", __name__)


def explainer(name: str, *, source: str) -> Callable[[Function], Function]:
    """Register a function ``(network, images, classes, stage) -> maps`` under `name`."""

    def register(function: Function) -> Function:
        explainers.add(name, Explainer(name, function, source))
        return function

    return register


@contextmanager
def untouched(network: Network) -> Iterator[None]:
    """Evaluation mode within the block; afterwards every module is in the mode it was in.

    In training mode an image's map would depend on its neighbours in the batch, and the running
    statistics would move. Gradients can be taken within, even where the caller infers.
    """
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        with torch.inference_mode(mode=False):
            yield
    finally:
        for module, mode in modes:
            module.training = mode
