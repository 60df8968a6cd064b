"""Presets: the preparation that a kind of image needs, by name, instead of the usual steps.

To add one, add a module to this folder with a frozen model that has a field per choice and
says its steps. Recipes and `medgraft prepare` take it as ``--preset NAME:choice=value``; what a
run records is the steps. Its contract is checked by ``tests/prepare/test_presets.py``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, TypeVar

from medgraft.prepare.pipeline import Window, value_steps
from medgraft.registry import Registry
from medgraft.spec import Options, build


class Preset(Options, ABC):
    """Steps for one kind of image.

    Attributes:
        name: What the preset is registered under.
    """

    name: ClassVar[str]

    @abstractmethod
    def steps(self, values: list[str], size: int, channels: int) -> list[str]:
        """The specs of the steps.

        Args:
            values: Steps that bring the values into [0, 1].
            size: Pixels along each side of the result.
            channels: 1 or 3.
        """


Kind = TypeVar("Kind", bound=type[Preset])
presets: Registry[type[Preset]] = Registry("preset", __name__)


def preset(name: str) -> Callable[[Kind], Kind]:
    """Register a preset under `name`."""

    def register(kind: Kind) -> Kind:
        kind.name = name
        presets.add(name, kind)
        return kind

    return register


def preset_steps(spec: str, size: int, channels: int, window: Window = None) -> list[str]:
    """The steps of a preset.

    Args:
        spec: Its name, with choices if wanted.
        size: Pixels along each side.
        channels: 1 or 3.
        window: As of `medgraft.prepare.default_steps`.

    Raises:
        UnknownNameError: If no preset has that name.
        ArgumentError: If it has no such choice.

    Examples:
        >>> preset_steps("mammography", 299, 1)[-4:]
        ['crop_to_kept', 'stretch', 'pad_square', 'resize:side=299']
    """
    return build(presets, spec).steps(value_steps(window), size, channels)
