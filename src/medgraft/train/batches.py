"""Batches from the array store: ordered by the seed, converted and augmented on the device."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, Self, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from medgraft.augment import Augmenter
from medgraft.errors import TrainingError
from medgraft.seeds import derive, generator

LEAST = 2  # images of a batch in one process: batch normalisation needs two


class Images(Protocol):
    """What batches need of the array store."""

    @property
    def scale(self) -> int:
        """Stored value of 1.0: 255 or 65535."""

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """Images at those rows of the store, shape (B, C, *S)."""


@runtime_checkable
class Changing(Images, Protocol):
    """Images that are other ones in every epoch, such as random crops."""

    def in_epoch(self, epoch: int) -> Self:
        """Those of an epoch."""


class Views(Protocol):
    """Training images as the still stages of a network see them, computed beforehand."""

    def take(self, places: np.ndarray, epoch: int) -> tuple[Tensor, Tensor]:
        """Maps and targets of those images, as an epoch wants them."""


@dataclass(frozen=True)
class Batch:
    """Images and what is known of them.

    Attributes:
        images: Float, shape (B, C, *S), in [0, 1], augmented, not yet normalised; or what the
            still stages of the network made of such images, where that is kept.
        targets: Float, shape (B, K); NaN where a label is blank or uncertain.
        step: Counts batches over the whole run, from 0: names the random choices made for it.
        places: Which of the training images these are, shape (B,).
    """

    images: Tensor
    targets: Tensor
    step: int
    places: np.ndarray


@dataclass(frozen=True)
class Placement:
    """Where and how tensors are laid.

    Attributes:
        device: Where they live.
        channels_last: Whether 2-D images are laid out with channels last.
    """

    device: torch.device
    channels_last: bool = False

    def images(self, stored: np.ndarray, scale: int) -> Tensor:
        """Stored integers as floats in [0, 1] on the device."""
        tensor = torch.from_numpy(stored).to(self.device, non_blocking=True)
        if tensor.dtype is torch.uint16:
            tensor = tensor.to(torch.int32)
        images = tensor.to(torch.float32).mul_(1.0 / scale)
        if self.channels_last and images.ndim == 4:
            images = images.contiguous(memory_format=torch.channels_last)
        return images


def check_shares(count: int, size: int, world: int, *, what: str = "images") -> None:
    """See that every process has enough of each batch.

    Args:
        count: Training images, or patches of them, in an epoch.
        size: Of a batch, over all processes.
        world: Number of processes.
        what: What is counted.

    Raises:
        TrainingError: If a process would have a batch of one.
    """
    if min(size, count) >= LEAST * world:
        return
    remedies = ["start fewer processes"] if world > 1 else []
    remedies += ["make batches larger"] if size < LEAST * world else []
    if count < LEAST * world:
        remedies.append("index more images" if what == "images" else "pass --patches-per-image 2")
    remedy = ", or ".join(remedies)
    raise TrainingError(
        f"every process must have at least {LEAST} {what} of a batch, but there are {count} to"
        f" learn from, --batch-size {size} and {world} process{'es' if world > 1 else ''}."
        f" {remedy[0].upper()}{remedy[1:]}."
    )


@dataclass(frozen=True)
class Batches:
    """The training images of a run, epoch by epoch.

    The order of an epoch and every augmentation depend on the seed and on the number of the
    epoch and of the step alone, so a run can go on from any step.

    Attributes:
        store: Where the images lie.
        rows: Rows of the store, shape (N,).
        targets: Shape (N, K), NaN where unknown.
        size: Images per batch, over all processes.
        seed: Of the run.
        augmenter: Draws and applies random changes; None for none.
        placement: Where tensors go.
        rank: Number of this process.
        world: Number of processes; each takes every world-th image of a batch.
        views: Where the images come from instead, if still stages have seen them already.

    Raises:
        TrainingError: If a process would have a batch of one image.
    """

    store: Images
    rows: np.ndarray
    targets: np.ndarray
    size: int
    seed: int
    augmenter: Augmenter | None
    placement: Placement
    rank: int = 0
    world: int = 1
    views: Views | None = None

    def __post_init__(self) -> None:
        check_shares(len(self.rows), self.size, self.world)

    @property
    def per_epoch(self) -> int:
        """Number of batches in an epoch."""
        return even_batches(len(self.rows), self.size, least=LEAST * self.world)

    def epoch(self, number: int, *, start: int = 0) -> Iterator[Batch]:
        """Batches of one epoch, from batch `start` on.

        The images are dealt into `per_epoch` batches whose sizes differ by at most one: no
        image is left out, and no process has a batch too small for batch normalisation.
        """
        order = generator(self.seed, "order", number).permutation(len(self.rows))
        for place, chosen in enumerate(np.array_split(order, self.per_epoch)):
            if place >= start:
                yield self._batch(chosen, number, number * self.per_epoch + place)

    def _batch(self, chosen: np.ndarray, epoch: int, step: int) -> Batch:
        mine = chosen[self.rank :: self.world]
        if self.views is not None:
            return Batch(*self.views.take(mine, epoch), step, mine)
        store = self.store.in_epoch(epoch) if isinstance(self.store, Changing) else self.store
        images = self.placement.images(store.gather(self.rows[mine]), store.scale)
        targets = torch.from_numpy(self.targets[mine]).to(self.placement.device)
        if self.augmenter is not None:
            # by the number of the image, so that processes and batch sizes do not matter
            seed = derive(self.seed, "augment", epoch)
            draw = self.augmenter.draw(len(mine), images.shape[2:], seed, samples=mine)
            images, targets = self.augmenter.apply(images, draw), draw.mix(targets)
        return Batch(images, targets, step, mine)


def even_batches(images: int, size: int, *, least: int = LEAST) -> int:
    """In how many batches of about `size` to deal images, none of them smaller than `least`.

    Their sizes then differ by at most one, and no image is left out.

    Examples:
        >>> even_batches(100, 32), even_batches(3, 2), even_batches(1, 32)
        (3, 1, 1)
    """
    return min(round(images / size), images // least) or 1
