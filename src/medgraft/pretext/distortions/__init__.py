"""Distortions: what a network learns to undo.

To add one, add a module to this folder with a frozen model of `Distortion`. Its `draw` chooses
the numbers of every sample at once; `change` says what they mean. Nothing random happens after
`draw`, except what a hash of a drawn key fills in on the device. The contract is checked by
``tests/pretext/test_distortions.py``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy.typing as npt
from torch import Tensor

from medgraft.augment.streams import Stream
from medgraft.registry import Registry
from medgraft.spec import Options

Shape = tuple[int, ...]
Numbers = dict[str, npt.NDArray[Any]]
Values = Mapping[str, Tensor]


class Distortion(Options, ABC):
    """A change that destroys part of what an image says, and nothing of its target."""

    @abstractmethod
    def draw(self, stream: Stream, shape: Shape) -> Numbers:
        """Choose the numbers of every sample; each array has the samples on its first axis.

        Raises:
            ShapeError: If images of this spatial shape are too small for it.
        """

    @abstractmethod
    def change(self, images: Tensor, values: Values) -> Tensor:
        """The distorted images, in memory of their own; `images` is not written to.

        Args:
            images: Floats in [0, 1], float32 or float64, shape (B, C, *S).
            values: What `draw` chose, as tensors on the device of the images.
        """

    def hidden(self, values: Values, shape: Shape) -> Tensor | None:
        """Voxels of which nothing is left, bool, shape (B, 1, *shape); None if it hides none."""
        del values, shape
        return None


Kind = TypeVar("Kind", bound=type[Distortion])
distortions: Registry[type[Distortion]] = Registry("distortion", __name__)


def distortion(name: str) -> Callable[[Kind], Kind]:
    """Register a distortion under `name`."""

    def register(kind: Kind) -> Kind:
        distortions.add(name, kind)
        return kind

    return register
