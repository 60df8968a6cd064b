"""Crops cut from the array store when they are needed, so that an archive may exceed memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch
from torch.nn import functional as F

from medgraft.errors import ArgumentError
from medgraft.pretext.discovery.table import Patterns
from medgraft.train.batches import Batches, Images, Placement

PORTION = 2**26  # bytes of whole scans at a time
SMOOTH = {2: "bilinear", 3: "trilinear"}


@dataclass(frozen=True)
class Crops:
    """The crops of a table as if they were stored images: what `Batches` takes.

    Attributes:
        store: Where the scans lie.
        rows: Row of the store of each crop's scan, int64 (M,).
        starts: First pixels, (M, axes).
        sides: Sides, (M, axes); where they are not those of `crop`, the crop is resized.
        crop: Sides that come out.
    """

    store: Images
    rows: np.ndarray
    starts: np.ndarray
    sides: np.ndarray
    crop: tuple[int, ...]

    @classmethod
    def of(
        cls, frame: pl.DataFrame, store: Images, rows: np.ndarray, crop: tuple[int, ...]
    ) -> Crops:
        """The crops of some rows of a table; `rows` is the row of the store of each scan."""
        axes = len(crop)
        starts, sides = (
            frame[name].explode().to_numpy().reshape(-1, axes) for name in ("start", "side")
        )
        return cls(store, rows[frame["scan"].to_numpy()], starts, sides, crop)

    @property
    def scale(self) -> int:
        """Stored value of 1.0."""
        return self.store.scale

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """Those crops, shape (B, C, *crop), in the stored type.

        Raises:
            ArgumentError: If a row is negative or too large.
        """
        rows = np.asarray(rows, dtype=np.int64)
        if rows.size and (rows.min() < 0 or rows.max() >= len(self.rows)):
            raise ArgumentError(
                f"rows must be from 0 to {len(self.rows) - 1}, got {rows.min()} to {rows.max()}."
            )
        wanted, places = np.unique(self.rows[rows], return_inverse=True)
        first = self.store.gather(wanted[:1])
        result = np.empty((len(rows), first.shape[1], *self.crop), first.dtype)
        portion = max(1, PORTION // max(1, first.nbytes))
        for start in range(0, len(wanted), portion):
            scans = self.store.gather(wanted[start : start + portion])
            here = np.flatnonzero((places >= start) & (places < start + portion))
            for place in here:
                result[place] = self._cut(scans[places[place] - start], rows[place])
        return result

    def _cut(self, scan: np.ndarray, row: int) -> np.ndarray:
        box = tuple(
            slice(at, at + side)
            for at, side in zip(self.starts[row].tolist(), self.sides[row].tolist(), strict=True)
        )
        return resized(scan[(slice(None), *box)], self.crop)


def resized(image: np.ndarray, sides: tuple[int, ...]) -> np.ndarray:
    """A crop (C, *S) at other sides, linear between pixels, in its own whole numbers."""
    if image.shape[1:] == sides:
        return image
    values = torch.from_numpy(image.astype(np.float32))[None]
    smooth = F.interpolate(values, sides, mode=SMOOTH[len(sides)], align_corners=False)
    return np.asarray(smooth[0].round().numpy().astype(image.dtype))


def pattern_batches(
    patterns: Patterns,
    *,
    size: int,
    seed: int,
    placement: Placement,
    split: str = "train",
    cache: Path | None = None,
    memory_bytes: int | None = None,
    rank: int = 0,
    world: int = 1,
) -> Batches:
    """Batches of crops with their classes, for the ordinary loop.

    Of each batch, `images` are crops in [0, 1], shape (B, C, *crop), and `targets` the numbers of
    their patterns, float32 (B, 1); ``batch.targets[:, 0].long()`` goes into a cross-entropy.

    Args:
        patterns: What a discovery left.
        size: Crops per batch, over all processes.
        seed: Of the order.
        placement: Where tensors go.
        split: "train" or "val".
        cache: Folder of all stores.
        memory_bytes: Keep the scans in memory if they are no larger; None takes half of what is
            free.
        rank: Number of this process.
        world: Number of processes.

    Raises:
        ArgumentError: If there are no crops of that part.
        TableError: If the scans are no longer what they were.
        TrainingError: If a process would have a batch of one crop.
    """
    frame = patterns.part(split)
    if frame.is_empty():
        raise ArgumentError(
            f"split must name a part that has crops, got {split!r}. There are crops of"
            f" {', '.join(patterns.frame['split'].unique().sort())}."
        )
    store, rows = patterns.open_store(cache=cache, memory_bytes=memory_bytes)
    return Batches(
        Crops.of(frame, store, rows, patterns.crop),
        np.arange(len(frame)),
        frame["pattern"].to_numpy().astype(np.float32)[:, None],
        size=size,
        seed=seed,
        augmenter=None,
        placement=placement,
        rank=rank,
        world=world,
    )
