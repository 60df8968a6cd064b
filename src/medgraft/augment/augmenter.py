"""Draw, then apply."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from medgraft import spec as specs_module
from medgraft.augment.canvas import Canvas
from medgraft.augment.draw import Draw, Part
from medgraft.augment.geometry import (
    Interpolation,
    Padding,
    identity,
    resample,
    sampling_grid,
    symmetric,
    symmetry_of,
)
from medgraft.augment.presets import expand
from medgraft.augment.streams import Stream
from medgraft.augment.transforms import (
    Displacement,
    Geometry,
    Intensity,
    Linear,
    Mixing,
    augmentations,
)
from medgraft.errors import ArgumentError, ShapeError
from medgraft.seeds import derive

Array = npt.NDArray[np.float64]


class Augmenter:
    """Random changes to batches of images, drawn and recorded first, then applied.

    All geometry is composed, in the order of the specs, into one grid and one resampling;
    displacement acts in the frame of the result. Then the values change, in the order of the
    specs; runs of linear changes become one. Mixing comes last. A sample for which nothing
    geometric was drawn keeps its pixels bit for bit, and so does one that is only mirrored or
    turned by quarters, in its new place.

    Args:
        specs: Augmentations such as ``rotate:degrees=15,p=0.5``, or names of presets.
        dims: Spatial axes of the images: 2 or 3.
        padding: What lies beyond the border: its mirror image (`reflection`), its last pixel
            (`border`) or zeros. Masks are padded alike.
        interpolation: Of images; masks are always read from the nearest pixel.

    Raises:
        UnknownNameError: If a spec names no augmentation.
        ArgumentError: If an option is unknown or out of range, or an axis does not exist.

    Examples:
        >>> augmenter = Augmenter(["flip:p=1"], dims=2)
        >>> draw = augmenter.draw(1, (1, 3), seed=0)
        >>> augmenter.apply(torch.tensor([[[[0.0, 0.5, 1.0]]]]), draw)
        tensor([[[[1.0000, 0.5000, 0.0000]]]])
    """

    def __init__(
        self,
        specs: Sequence[str],
        dims: int = 2,
        *,
        padding: Padding = "reflection",
        interpolation: Interpolation = "linear",
    ) -> None:
        if dims not in (2, 3):
            raise ArgumentError(f"dims must be 2 or 3, got {dims!r}")
        _one_of("padding", padding, ("reflection", "border", "zeros"))
        _one_of("interpolation", interpolation, ("linear", "nearest"))
        self.dims = dims
        self.padding: Padding = padding
        self.interpolation: Interpolation = interpolation
        self.parts = tuple(specs_module.build(augmentations, text) for text in expand(specs))
        names = [specs_module.parse(text)[0] for text in expand(specs)]
        self.specs = tuple(map(specs_module.write, names, self.parts))
        # The count of earlier ones of that name keeps two rotations from turning alike.
        self._purposes = [f"{name} {names[:i].count(name)}" for i, name in enumerate(names)]
        if sum(isinstance(part, Mixing) for part in self.parts) > 1:
            raise ArgumentError(f"at most one augmentation may mix samples, got {names}")
        self.draw(1, (16,) * dims, seed=0)  # an axis that does not exist is an error now

    @property
    def mixes(self) -> bool:
        """Whether labels must be blended with `Draw.mix`."""
        return any(isinstance(part, Mixing) for part in self.parts)

    def draw(
        self,
        count: int,
        shape: Sequence[int],
        seed: int,
        *,
        samples: Sequence[int] | npt.NDArray[np.int64] | Tensor | None = None,
    ) -> Draw:
        """Choose what happens to `count` samples of spatial shape `shape`.

        What a sample draws depends on `seed` and on its integer in `samples` only: not on the
        rest of the batch, its order, the device or the number of workers. Only the partner it
        is mixed with comes from the batch.

        Args:
            count: Samples in the batch.
            shape: Spatial shape, one size per axis.
            seed: Of the step or the epoch; see `medgraft.seeds.derive`.
            samples: One integer per sample, such as its row in the index; 0 .. count - 1
                unless given.

        Raises:
            ShapeError: If the shape has another number of axes, or an augmentation does not
                fit it.
        """
        shape = tuple(int(size) for size in shape)
        if len(shape) != self.dims:
            raise ShapeError(f"shape must have {self.dims} spatial axes, got {shape}")
        ids = np.asarray(range(count) if samples is None else samples, dtype=np.int64)
        if ids.shape != (count,):
            raise ShapeError(f"samples must have shape ({count},), got {ids.shape}")
        matrix = identity(count, self.dims)
        partner, weight = np.arange(count), torch.ones(count)
        parts, displaced = [], np.zeros(count, dtype=np.bool_)
        for part, purpose, text in zip(self.parts, self._purposes, self.specs, strict=True):
            stream = Stream(derive(seed, "augment", purpose), ids)
            active = stream.unit()[:, 0] < part.chance
            values = part.draw(stream, shape)
            tensors = {key: torch.from_numpy(value) for key, value in values.items()}
            parts.append(Part(text, torch.from_numpy(active), tensors))
            if isinstance(part, Geometry):
                matrix = _then(matrix, part.matrix(values, shape), active)
            elif isinstance(part, Displacement):
                displaced |= active
            elif isinstance(part, Mixing):
                weight = part.weight(tensors).float().where(parts[-1].active, weight)
                partner = _partners(stream)
        return Draw(
            shape=shape,
            seed=seed,
            samples=torch.from_numpy(ids),
            parts=tuple(parts),
            matrix=torch.from_numpy(matrix),
            symmetry=torch.from_numpy(np.where(displaced, -1, symmetry_of(matrix, shape))),
            partner=torch.from_numpy(partner),
            weight=weight,
        )

    @overload
    def apply(self, images: Tensor, draw: Draw) -> Tensor: ...
    @overload
    def apply(self, images: Tensor, draw: Draw, masks: Tensor) -> tuple[Tensor, Tensor]: ...
    @overload
    def apply(self, images: Tensor, draw: Draw, masks: None) -> Tensor: ...
    def apply(
        self, images: Tensor, draw: Draw, masks: Tensor | None = None
    ) -> Tensor | tuple[Tensor, Tensor]:
        """The augmented images, and the masks moved with them.

        Args:
            images: Float batch (B, C, *shape) in [0, 1] on any device; it is not written to.
                16-bit floats are computed in float32 and rounded at the end.
            draw: From `draw` of this augmenter.
            masks: Label maps (B, C', *shape) of any type whose labels float32 holds exactly
                (up to 16,777,216), or None. They move; their values do not change and are not mixed.

        Returns:
            Images of the same shape and dtype in [0, 1]; with masks, the pair.

        Raises:
            ShapeError: If the batch is not what the draw was made for.
        """
        _check(images, draw, "images")
        if not images.is_floating_point():
            raise ShapeError(f"images must be floats in [0, 1], got {images.dtype}")
        work = images if images.dtype == torch.float64 else images.float()
        grid = self._grid(draw, work)
        moved = _move(work, draw, grid, interpolation=self.interpolation, padding=self.padding)
        changed = self._change(Canvas(moved, owned=moved is not images), draw).to(images.dtype)
        if masks is None:
            return changed
        _check(masks, draw, "masks")
        labels = masks.to(work.device, work.dtype)
        followed = _move(labels, draw, grid, interpolation="nearest", padding=self.padding)
        return changed, followed.to(masks.dtype)

    def _grid(self, draw: Draw, images: Tensor) -> Tensor | None:
        """The sampling grid of the samples that must be resampled, or None."""
        rows = draw.resampled
        if not len(rows):
            return None
        field: Tensor | None = None
        for part, drawn in zip(self.parts, draw.parts, strict=True):
            if isinstance(part, Displacement) and drawn.active.any():
                values = {
                    k: v[rows].to(images.device, images.dtype) for k, v in drawn.values.items()
                }
                active = drawn.active[rows].to(images.device, images.dtype)
                own = part.field(values, draw.shape)
                own = own * active.reshape(-1, *(1,) * (self.dims + 1))
                field = own if field is None else field + own
        matrix = draw.matrix[rows].numpy()
        return sampling_grid(matrix, draw.shape, field, dtype=images.dtype, device=images.device)

    def _change(self, canvas: Canvas, draw: Draw) -> Tensor:
        for part, drawn in zip(self.parts, draw.parts, strict=True):
            if isinstance(part, Linear):
                canvas.linear(part, drawn)
            elif isinstance(part, Intensity):
                canvas.change(part, drawn)
        canvas.mix(draw)
        return canvas.finish()


def _move(
    images: Tensor,
    draw: Draw,
    grid: Tensor | None,
    *,
    interpolation: Interpolation,
    padding: Padding,
) -> Tensor:
    """Images after all geometry: `images` itself where nothing moves, else a new tensor."""
    if not draw.symmetry.any():
        return images
    rows = draw.resampled
    if grid is not None and len(rows) == len(images):
        return resample(images, grid, interpolation=interpolation, padding=padding)
    result = images.clone()
    for which in sorted(set(draw.symmetry[draw.symmetry > 0].tolist())):
        there = (draw.symmetry == which).nonzero()[:, 0].to(images.device)
        result.index_copy_(0, there, symmetric(images[there], which))
    if grid is not None:
        there = rows.to(images.device)
        sampled = resample(images[there], grid, interpolation=interpolation, padding=padding)
        result.index_copy_(0, there, sampled)
    return result


def _then(matrix: Array, own: Array, active: npt.NDArray[np.bool_]) -> Array:
    """Put one more geometry behind those composed so far, for the samples that drew it."""
    return np.where(active[:, None, None], matrix @ own, matrix)


def _partners(stream: Stream) -> npt.NDArray[np.int64]:
    """A partner for each sample: the next one in a random order of the batch, so never itself."""
    order = stream.unit()[:, 0].argsort()
    partner = np.empty_like(order)
    partner[order] = np.roll(order, -1)
    return partner


def _check(batch: Tensor, draw: Draw, what: str) -> None:
    count, dims = len(draw.samples), len(draw.shape)
    if batch.ndim != dims + 2 or len(batch) != count or tuple(batch.shape[2:]) != draw.shape:
        raise ShapeError(
            f"{what} must have shape ({count}, C, {', '.join(map(str, draw.shape))}), as they were"
            f" drawn for, got {tuple(batch.shape)}"
        )


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ArgumentError(f"{name} must be one of {', '.join(known)}, got {value!r}")
