"""Generative models: networks that learn to draw images like those they saw.

To add one, add a module to this folder with a frozen model as `medgraft.generate.model` describes
it. The contract is checked by ``tests/generate/test_generators.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from medgraft.generate.model import GenerativeModel
from medgraft.registry import Registry
from medgraft.spec import build

Kind = TypeVar("Kind", bound=type[GenerativeModel])
generators: Registry[type[GenerativeModel]] = Registry("generative model", __name__)


def generative(name: str) -> Callable[[Kind], Kind]:
    """Register a model under `name`."""

    def register(kind: Kind) -> Kind:
        generators.add(name, kind)
        return kind

    return register


def find_model(text: str) -> GenerativeModel:
    """The model that a spec such as "vae" or "dcgan:latent=64,r1=1" describes.

    Raises:
        UnknownNameError: If there is no such model.
        ArgumentError: If it has no such option, or its value is out of range.
    """
    return build(generators, text)
