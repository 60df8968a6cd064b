"""Random crops of stored images, other ones in every epoch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from medgraft.augment.streams import Stream
from medgraft.seeds import derive
from medgraft.train.patches import check_patch
from medgraft.train.slices import Volumes


@dataclass(frozen=True)
class RandomCrops:
    """Crops as if they were stored images, for `Batches`, which asks for those of each epoch.

    Crop number s is cut from image ``s // per_image``. Where depends on the seed, the epoch and s
    alone. Of an image on disk no more is read than the crop.

    Attributes:
        images: Where the images lie: pictures, volumes, or slices of volumes.
        rows: Which of them, shape (N,).
        crop: Spatial shape of a crop; no side may be longer than the image's.
        per_image: Crops of each image in an epoch.
        seed: Of the run.
        epoch: Which one.

    Raises:
        ArgumentError: If a crop does not fit the images.
    """

    images: Volumes
    rows: np.ndarray
    crop: tuple[int, ...]
    per_image: int
    seed: int
    epoch: int = 0

    def __post_init__(self) -> None:
        check_patch(self.crop, self.images.shape[1:])

    @property
    def scale(self) -> int:
        """Stored value of 1.0."""
        return self.images.scale

    @property
    def count(self) -> int:
        """Crops of an epoch."""
        return len(self.rows) * self.per_image

    def in_epoch(self, epoch: int) -> Self:
        """The crops of another epoch."""
        return replace(self, epoch=epoch)

    def corners(self, crops: np.ndarray) -> np.ndarray:
        """The first pixel of crops, anywhere alike, shape (B, axes)."""
        room = np.subtract(self.images.shape[1:], self.crop)
        drawn = Stream(derive(self.seed, "crop", self.epoch), crops).unit(len(room))
        return np.asarray(np.floor(drawn * (room + 1)).astype(np.int64))

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """Copies of crops, (B, C, *crop)."""
        boxes = [
            tuple(slice(at, at + side) for at, side in zip(corner, self.crop, strict=True))
            for corner in self.corners(rows)
        ]
        whole = self.rows[rows // self.per_image]
        pairs = zip(whole, boxes, strict=True)
        return np.stack([self.images.image(row)[:, *box] for row, box in pairs])
