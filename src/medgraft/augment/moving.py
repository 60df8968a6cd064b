"""The geometry of a draw, applied: exact moves where possible, one resampling elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from medgraft.augment.draw import Draw
from medgraft.augment.geometry import symmetric
from medgraft.augment.resampling import (
    Array,
    Interpolation,
    Padding,
    layered,
    resample,
    resample_layers,
    sampling_grid,
)
from medgraft.augment.transforms import Augmentation, Displacement


@dataclass(frozen=True)
class Moving:
    """Where the pixels of a batch go.

    Attributes:
        parts: The augmentations, in the order of the draw's.
        draw: What was drawn for the batch.
        like: A tensor of the device and type to compute in.
        padding: What lies beyond the border.
    """

    parts: Sequence[Augmentation]
    draw: Draw
    like: Tensor
    padding: Padding

    def __call__(self, images: Tensor, *, interpolation: Interpolation) -> Tensor:
        """The moved images: `images` itself where nothing moves, else a new tensor."""
        draw = self.draw
        if not draw.symmetry.any():
            return images
        rows = draw.resampled
        if len(rows) == len(images):
            return self._resampled(images, interpolation)
        result = images.clone()
        for which in sorted(set(draw.symmetry[draw.symmetry > 0].tolist())):
            there = (draw.symmetry == which).nonzero()[:, 0].to(images.device)
            result.index_copy_(0, there, symmetric(images[there], which))
        if len(rows):
            there = rows.to(images.device)
            result.index_copy_(0, there, self._resampled(images[there], interpolation))
        return result

    def _resampled(self, images: Tensor, interpolation: Interpolation) -> Tensor:
        if interpolation == "linear" and self._field is None and layered(self._matrix):
            return resample_layers(images, self._matrix, padding=self.padding)
        return resample(images, self._grid, interpolation=interpolation, padding=self.padding)

    @cached_property
    def _matrix(self) -> Array:
        matrix: Array = self.draw.matrix[self.draw.resampled].numpy()
        return matrix

    @cached_property
    def _grid(self) -> Tensor:
        return sampling_grid(
            self._matrix,
            self.draw.shape,
            self._field,
            dtype=self.like.dtype,
            device=self.like.device,
        )

    @cached_property
    def _field(self) -> Tensor | None:
        """The sum of all displacements of the samples that are resampled."""
        rows, total = self.draw.resampled, None
        for part, drawn in zip(self.parts, self.draw.parts, strict=True):
            if isinstance(part, Displacement) and drawn.active.any():
                own = part.field(
                    {k: v[rows].to(self.like) for k, v in drawn.values.items()}, self.draw.shape
                )
                active = drawn.active[rows].to(self.like)
                own = own * active.reshape(-1, *(1,) * (own.ndim - 1))
                total = own if total is None else total + own
        return total
