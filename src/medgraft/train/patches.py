"""Patches of segmented images: where they are cut, and batches of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from medgraft.augment import Augmenter
from medgraft.augment.streams import Stream
from medgraft.errors import ArgumentError
from medgraft.index.masks import UNLABELLED
from medgraft.progress import track
from medgraft.seeds import derive, generator
from medgraft.train.batches import LEAST, Placement, check_shares

KEPT = 4096  # places of each class that are kept of each image, at most: enough to choose from
PLACES = 2**24  # and of all images; slices of an archive can be hundreds of thousands


class Segmented(Protocol):
    """What patches need of the array store."""

    @property
    def scale(self) -> int:
        """Stored value of 1.0: 255 or 65535."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one image, (C, *S)."""

    def image(self, row: int) -> np.ndarray:
        """An image, (C, *S), not copied."""

    def mask(self, row: int) -> np.ndarray:
        """Its mask, uint8 (1, *S), not copied."""


@dataclass(frozen=True)
class PatchBatch:
    """Patches and what each of their pixels is.

    Attributes:
        images: Float, shape (B, C, *patch), in [0, 1], augmented, not yet normalised.
        masks: int64, shape (B, *patch): places of classes; `UNLABELLED` where nobody knows.
        step: Counts batches over the whole run, from 0.
        samples: Numbers of the patches in the epoch, shape (B,).
    """

    images: Tensor
    masks: Tensor
    step: int
    samples: np.ndarray


@dataclass(frozen=True)
class Patches:
    """Training patches, epoch by epoch.

    Patch number s of an epoch is cut from image ``s // per_image``. Where it is cut and how it
    is changed depends on the seed, the epoch and s alone, not on what else is in its batch nor
    on the number of processes. A patch as large as the image is the image.

    Attributes:
        store: Where images and masks lie.
        rows: Rows of the store, shape (N,).
        patch: Spatial shape of a patch; no side may be longer than the image's.
        per_image: Patches of each image in an epoch.
        size: Patches per batch, over all processes.
        seed: Of the run.
        foreground: Share of patches that are cut around a pixel of foreground, its class drawn
            first so that rare classes are not rare; where there is none, anywhere.
        augmenter: Moves images and masks alike; None for none. It must not mix samples.
        placement: Where tensors go.
        rank: Number of this process.
        world: Number of processes; each takes every world-th patch of a batch.

    Raises:
        ArgumentError: If the patch does not fit the images, or a number is out of range.
        TrainingError: If a process would have a batch of one patch.
    """

    store: Segmented
    rows: np.ndarray
    patch: tuple[int, ...]
    per_image: int
    size: int
    seed: int
    foreground: float
    augmenter: Augmenter | None
    placement: Placement
    rank: int = 0
    world: int = 1
    _known: list[list[np.ndarray]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_patch(self.patch, self.store.shape[1:])
        if not 0 <= self.foreground <= 1:
            raise ArgumentError(f"foreground must be in [0, 1], got {self.foreground}")
        if self.per_image < 1:
            raise ArgumentError(f"per_image must be at least 1, got {self.per_image}")
        if self.augmenter is not None and self.augmenter.mixes:
            raise ArgumentError(
                "augmentations of masks must not mix samples; leave mix-up out of"
                f" {', '.join(self.augmenter.specs)}"
            )
        check_shares(self.count, self.size, self.world, what="patches")
        whole = self.patch == self.store.shape[1:] or self.foreground == 0
        object.__setattr__(self, "_known", [] if whole else self._look())

    @property
    def count(self) -> int:
        """Patches of an epoch."""
        return len(self.rows) * self.per_image

    @property
    def per_epoch(self) -> int:
        """Number of batches in an epoch."""
        return min(round(self.count / self.size), self.count // (LEAST * self.world)) or 1

    def epoch(self, number: int, *, start: int = 0) -> Iterator[PatchBatch]:
        """Batches of one epoch, from batch `start` on; no patch is left out."""
        order = generator(self.seed, "order", number).permutation(self.count)
        for place, chosen in enumerate(np.array_split(order, self.per_epoch)):
            if place >= start:
                mine = chosen[self.rank :: self.world]
                yield self._batch(mine, number, number * self.per_epoch + place)

    def corners(self, samples: np.ndarray, epoch: int) -> np.ndarray:
        """The first pixel of patches, shape (B, dims)."""
        stream = Stream(derive(self.seed, "patch", epoch), samples)
        room = np.subtract(self.store.shape[1:], self.patch)
        wish, which, where = stream.unit(3).T
        corners: np.ndarray = np.floor(stream.unit(len(room)) * (room + 1)).astype(np.int64)
        for place, sample in enumerate(samples if self._known else ()):
            classes = self._known[sample // self.per_image]
            if classes and wish[place] < self.foreground:
                pixels = classes[int(which[place] * len(classes))]
                middle = pixels[int(where[place] * len(pixels))]
                corners[place] = np.clip(middle - np.asarray(self.patch) // 2, 0, room)
        return corners

    def _look(self) -> list[list[np.ndarray]]:
        """Of each image, for each class of foreground in it, places of its pixels."""
        places = []
        most = max(1, min(KEPT, PLACES // len(self.rows)))
        for row in track(self.rows, what="looking for foreground", unit="masks"):
            mask = self.store.mask(row)[0]
            found = np.flatnonzero(np.bincount(mask.ravel()))
            classes = [np.argwhere(mask == c) for c in found if c not in (0, UNLABELLED)]
            rng = generator(self.seed, "foreground", int(row))
            places.append(
                [
                    p if len(p) <= most else p[rng.choice(len(p), most, replace=False)]
                    for p in classes
                ]
            )
        return places

    def _batch(self, samples: np.ndarray, epoch: int, step: int) -> PatchBatch:
        boxes = [
            tuple(slice(c, c + p) for c, p in zip(corner, self.patch, strict=True))
            for corner in self.corners(samples, epoch)
        ]
        pairs = list(zip(self.rows[samples // self.per_image], boxes, strict=True))
        stored = np.stack([self.store.image(row)[:, *box] for row, box in pairs])
        drawn = np.stack([self.store.mask(row)[:, *box] for row, box in pairs])
        images = self.placement.images(stored, self.store.scale)
        masks = torch.from_numpy(drawn).to(self.placement.device)
        if self.augmenter is not None:
            seed = derive(self.seed, "augment", epoch)
            draw = self.augmenter.draw(len(samples), self.patch, seed, samples=samples)
            images, masks = self.augmenter.apply(images, draw, masks)
        return PatchBatch(images, masks[:, 0].long(), step, samples)


def patch_sides(patch: tuple[int, ...] | None, dims: int) -> tuple[int, ...] | None:
    """Sides of the patches of a recipe, one per axis; None where images are taken whole.

    Raises:
        ArgumentError: If there is a number too many or too few.

    Examples:
        >>> patch_sides((32,), 3), patch_sides((64, 64, 32), 3)
        ((32, 32, 32), (64, 64, 32))
    """
    if patch is None:
        return None
    if len(patch) not in (1, dims):
        raise ArgumentError(
            f"patch must be one side or {dims}, one per spatial axis, got"
            f" {' '.join(map(str, patch))}."
        )
    return patch * dims if len(patch) == 1 else patch


def check_patch(patch: Sequence[int], size: Sequence[int]) -> None:
    """Refuse patches that do not fit images of spatial shape `size`.

    Raises:
        ArgumentError: With what to do.
    """
    if len(patch) != len(size) or any(p < 1 or p > n for p, n in zip(patch, size, strict=False)):
        raise ArgumentError(
            f"a patch must fit the prepared images of {' x '.join(map(str, size))} pixels, got"
            f" {' x '.join(map(str, patch))}. Choose a smaller patch, or prepare larger images"
            " with crop_or_pad."
        )
