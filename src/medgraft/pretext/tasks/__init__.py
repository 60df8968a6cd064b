"""Pretext tasks: what a network learns from images without labels.

To add one, add a module to this folder with a frozen model of `Restoring` or `Classifying`. A
restoring task says how images are distorted (a `Distorter`), a classifying one makes inputs and
class numbers. Whatever is random depends on a seed and on the number of the image alone. The
contract is checked by ``tests/pretext/test_tasks.py``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, TypeVar

import numpy as np
from torch import Tensor

from medgraft.errors import ArgumentError
from medgraft.pretext.distorter import Distorter
from medgraft.registry import Registry
from medgraft.spec import Options, build

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Example:
    """What a network sees, and what it should answer.

    Attributes:
        inputs: Float in [0, 1], shape (B, C, *S).
        targets: Of a restoring task what the images were, float (B, C, *S); of a classifying
            one the numbers of the classes, int64 (B,).
        counted: Voxels over which restoring is judged, bool, shape (B, 1, *S); None for all.
    """

    inputs: Tensor
    targets: Tensor
    counted: Tensor | None = None


class Task(Options, ABC):
    """Something to learn from images alone. Abstract.

    Attributes:
        source: Where it is published.
        published: Whether its authors' code has numbers that differ from those of their paper,
            which ``--as-published`` then takes.
        needs_colour: Whether grey images teach nothing.
        needs_patterns: Whether it learns from crops of patterns that were discovered.
        keeps: What of the network is worth keeping besides the encoder.
    """

    source: ClassVar[str]
    published: ClassVar[bool] = False
    needs_colour: ClassVar[bool] = False
    needs_patterns: ClassVar[bool] = False
    keeps: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def example(
        self, images: Tensor, *, seed: int, samples: np.ndarray, as_published: bool = False
    ) -> Example:
        """Input and target of a batch, on its device; `images` is not written to.

        Args:
            images: Float in [0, 1], shape (B, C, *S).
            seed: Of the epoch.
            samples: A number per image, int64, shape (B,). What happens to an image depends on
                this number and the seed alone, not on its batch.
            as_published: Take the numbers of the authors' code.
        """


class Restoring(Task):
    """Undo a distortion: encoder and decoder answer with the image as it was. Abstract.

    Attributes:
        skips: Whether the decoder sees more than the deepest maps.
        only_hidden: Whether the loss counts hidden voxels alone, and not the whole image.
    """

    keeps: ClassVar[tuple[str, ...]] = ("decoder",)
    skips: ClassVar[bool] = True
    only_hidden: ClassVar[bool] = False

    @abstractmethod
    def distorter(self, dims: int, *, as_published: bool = False) -> Distorter:
        """What is done to images of so many spatial axes."""

    def example(
        self, images: Tensor, *, seed: int, samples: np.ndarray, as_published: bool = False
    ) -> Example:
        """Distorted images, and what they were."""
        shape = images.shape[2:]
        distorter = self.distorter(len(shape), as_published=as_published)
        draw = distorter.draw(len(images), shape, seed, samples=samples)
        inputs, targets = distorter.apply(images, draw)
        return Example(
            inputs, targets, distorter.hidden(draw, images.device) if self.only_hidden else None
        )


class Classifying(Task):
    """Name what was done to an image: an encoder and a head of classes. Abstract."""

    @abstractmethod
    def classes(self, shape: Shape) -> int:
        """How many classes there are for images of that spatial shape.

        Raises:
            ShapeError: If there is nothing to tell apart in such images.
        """


Kind = TypeVar("Kind", bound=type[Task])
pretexts: Registry[type[Task]] = Registry("pretext task", __name__)


def pretext(name: str) -> Callable[[Kind], Kind]:
    """Register a task under `name`."""

    def register(kind: Kind) -> Kind:
        pretexts.add(name, kind)
        return kind

    return register


def find_task(text: str, *, as_published: bool = False) -> Task:
    """The task that a spec such as "models_genesis" or "jigsaw:tiles=2" describes.

    Raises:
        UnknownNameError: If there is no such task.
        ArgumentError: If it has no such option, or as_published would change nothing.
    """
    task = build(pretexts, text)
    if as_published and not task.published:
        others = [name for name in pretexts.names() if pretexts.get(name).published]
        raise ArgumentError(
            f"as_published needs a task whose authors' code and paper differ, got {text!r}."
            f" Leave it out, or take {' or '.join(others)}."
        )
    if isinstance(task, Restoring):  # options that go together are checked by the distortions
        task.distorter(2, as_published=as_published)
    return task
