"""Augmentations: random changes to a batch of images that leave the diagnosis alone.

To add one, add a module to this folder with a frozen model of one of the kinds below. Its
`draw` chooses numbers for every sample at once; the other method of its kind says what those
numbers mean. Nothing random happens after `draw`. The contract is checked by
``tests/augment/test_transforms.py``; docs/how-to/add-an-augmentation.md walks through one.

    Augmentation
    ├── Geometry       a matrix that says where each pixel comes from
    ├── Displacement   a smooth field that moves pixels one by one
    ├── Linear         gain and offset of the values
    ├── Intensity      any other change of the values
    └── Mixing         a weighted sum of two samples of the batch
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Self, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator
from torch import Tensor

from medgraft.augment.streams import Stream
from medgraft.registry import Registry
from medgraft.spec import Options

Axis = Annotated[int, Field(ge=-3, le=2)]
Plane = tuple[Axis, Axis]
Shape = tuple[int, ...]
Numbers = npt.NDArray[np.float64]
Values = Mapping[str, npt.NDArray[Any]]


class Augmentation(Options, ABC):
    """What every kind has: a probability, and numbers to draw."""

    p: float = Field(default=0.75, ge=0, le=1)
    """Probability that a sample is changed."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        low, high = getattr(self, "low", 0), getattr(self, "high", 0)
        if low > high:
            raise ValueError(f"low must be at most high, got low={low} and high={high}")
        return self

    @abstractmethod
    def draw(self, stream: Stream, shape: Shape) -> dict[str, npt.NDArray[Any]]:
        """Choose the numbers of every sample; each array has the samples on its first axis.

        Raises:
            ShapeError: If images of this spatial shape cannot be changed in this way.
        """

    @property
    def chance(self) -> float:
        """Probability that a sample is changed; differs from `p` where `p` is per axis."""
        return self.p


class Geometry(Augmentation):
    """Pixels move as a whole: all of these become one matrix and one resampling."""

    @abstractmethod
    def matrix(self, values: Values, shape: Shape) -> Numbers:
        """Where the pixel at x of the result comes from, shape (B, D + 1, D + 1).

        The matrix acts on homogeneous coordinates (x_1, ..., x_D, 1) in pixels, in the order
        of the array's axes, with the origin at the centre of the image. Its last row may
        be other than (0, ..., 0, 1): the result is then divided by the last coordinate.
        """


class Displacement(Augmentation):
    """Pixels move one by one, along a smooth field in the frame of the result."""

    @abstractmethod
    def field(self, values: Mapping[str, Tensor], shape: Shape) -> Tensor:
        """How far from x the pixel at x comes, in pixels, shape (B, D, *shape)."""


class Linear(Augmentation):
    """Values become gain * value + offset: neighbours of this kind become one such change."""

    @abstractmethod
    def line(self, values: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Gain and offset of each sample, both of shape (B,)."""


class Intensity(Augmentation):
    """Values change in some other way."""

    @abstractmethod
    def change(self, images: Tensor, values: Mapping[str, Tensor]) -> Tensor:
        """The changed images, of the same shape and in [0, 1]; may reuse the memory of `images`.

        Only samples that were drawn are passed, and `values` holds only theirs.
        """


class Mixing(Augmentation):
    """Samples are blended with others of the batch, and their labels with them."""

    @abstractmethod
    def weight(self, values: Mapping[str, Tensor]) -> Tensor:
        """Share of itself that each sample keeps, shape (B,), in [0, 1]."""


Kind = TypeVar("Kind", bound=type[Augmentation])
augmentations: Registry[type[Augmentation]] = Registry("augmentation", __name__)


def augmentation(name: str) -> Callable[[Kind], Kind]:
    """Register an augmentation under `name`."""

    def register(kind: Kind) -> Kind:
        augmentations.add(name, kind)
        return kind

    return register
