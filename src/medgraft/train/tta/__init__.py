"""Views: the pictures of one image that its answer is averaged over (test-time augmentation).

To add one, add a module to this folder with a frozen model that has a field per option and
lists its views. Its contract is checked by ``tests/train/test_tta.py``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from torch import Tensor

from medgraft.augment.geometry import symmetric, symmetry_of
from medgraft.augment.resampling import resample, sampling_grid
from medgraft.errors import ArgumentError
from medgraft.registry import Registry
from medgraft.spec import Options, build, write

NONE = "none"
PLANE = 2  # spatial axes of a picture


@dataclass(frozen=True)
class View:
    """One way to look at an image.

    Attributes:
        weight: Its share of the answer; those of all views of an image sum to one.
        matrix: From the place of a pixel in the view to its place in the image, shape (3, 3), in
            pixels about the centre, as in `medgraft.augment.geometry`.
    """

    weight: float
    matrix: npt.NDArray[np.float64]


class Views(Options, ABC):
    """A way to list views."""

    @abstractmethod
    def of(self, shape: tuple[int, int]) -> tuple[View, ...]:
        """The views of images with so many rows and columns: the same for every image."""


Kind = TypeVar("Kind", bound=type[Views])
views: Registry[type[Views]] = Registry("set of views", __name__)


def view(name: str) -> Callable[[Kind], Kind]:
    """Register views under `name`."""

    def register(kind: Kind) -> Kind:
        views.add(name, kind)
        return kind

    return register


def find_views(text: str | None, *, dims: int = PLANE) -> Views | None:
    """The views that a spec describes; None for None and "none", the image as it is.

    Args:
        text: Such as "corners" or "dihedral:flip=false".
        dims: Spatial axes of the images.

    Raises:
        UnknownNameError: If there are none of that name.
        ArgumentError: If an option is wrong, or the images are volumes.
    """
    if text is None or text == NONE:
        return None
    found = build(views, text)
    if dims != PLANE:
        raise ArgumentError(
            f"views need pictures, with {PLANE} spatial axes, got {dims}, for --tta {text!r}."
            " Which axis of a volume is left and right depends on its file. Leave --tta out."
        )
    return found


def canonical_views(text: str | None) -> str | None:
    """The spec with every option spelled out; None for the image as it is."""
    found = find_views(text)
    return None if found is None or text is None else write(text.partition(":")[0], found)


def seen(images: Tensor, matrix: npt.NDArray[np.float64]) -> Tensor:
    """Images (B, C, H, W) in the view of a matrix (3, 3), of the same shape.

    Pixels are moved exactly where the matrix is a mirroring or a quarter turn, and
    interpolated linearly elsewhere.
    """
    shape = tuple(images.shape[2:])
    which = int(symmetry_of(matrix[None], shape)[0])
    if which >= 0:
        return symmetric(images, which)
    grid = sampling_grid(matrix[None], shape, None, dtype=images.dtype, device=images.device)
    grid = grid.expand(len(images), *grid.shape[1:])
    return resample(images, grid, interpolation="linear", padding="border")
