"""What of stored scans a pretraining learns from: all of them, their slices, or crops of either."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from medgraft.prepare.store import Store
from medgraft.pretext.recipe import Pretraining
from medgraft.train.crops import RandomCrops
from medgraft.train.patches import patch_sides
from medgraft.train.slices import Slices, Slicing, Volumes, seen_shape
from medgraft.train.supervised import Rows


@dataclass(frozen=True)
class Seen:
    """How a recipe has stored scans looked at.

    Attributes:
        store: The scans.
        slicing: How volumes are cut into slices; None for whole scans.
        crop: Sides of the crops; None for none.
        per_image: Crops of each scan or slice in an epoch.
        seed: Of the crops.
    """

    store: Store
    slicing: Slicing | None
    crop: tuple[int, ...] | None
    per_image: int
    seed: int

    @classmethod
    def of(cls, recipe: Pretraining, store: Store) -> Self:
        """What a recipe says.

        Raises:
            ArgumentError, TrainingError: If slices or crops cannot be cut from such scans.
        """
        slicing = Slicing.of(recipe)
        crop = patch_sides(recipe.patch, len(seen_shape(store, slicing)) - 1)
        return cls(store, slicing, crop, recipe.patches_per_image, recipe.seed)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one image that the network sees, (C, *S)."""
        channels, *sides = seen_shape(self.store, self.slicing)
        return (channels, *(self.crop or sides))

    @property
    def told(self) -> tuple[str, ...]:
        """For the reader of a report; nothing of whole scans."""
        slices = [] if self.slicing is None else [self.slicing.told(self.store.shape)]
        if self.crop is None:
            return tuple(slices)
        sides, what = " x ".join(map(str, self.crop)), "slice" if slices else "scan"
        return (*slices, f"{self.per_image} random crops of {sides} of each {what} in an epoch")

    @property
    def unit(self) -> str:
        """What one image that the network sees is called."""
        if self.crop is not None:
            return "crop"
        return "image" if self.slicing is None else "slice"

    def rows(self, scans: np.ndarray) -> Rows:
        """What is seen of some rows of the store, with no target at all."""
        images: Volumes = self.store
        rows = scans
        if self.slicing is not None:
            images = slices = Slices(self.store, self.slicing)
            rows = slices.of(scans)
        if self.crop is None:
            return Rows(images, rows, np.zeros((len(rows), 0), np.float32))
        crops = RandomCrops(images, rows, self.crop, self.per_image, self.seed)
        return Rows(crops, np.arange(crops.count), np.zeros((crops.count, 0), np.float32))
