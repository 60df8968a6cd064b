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
from medgraft.augment.geometry import identity, symmetry_of
from medgraft.augment.moving import Moving
from medgraft.augment.presets import expand
from medgraft.augment.resampling import Interpolation, Padding
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
        if masks is not None:
            _check(masks, draw, "masks")
        # Taking a large batch in portions that fit the cache was tried: no gain, more overhead.
        work = (images if images.dtype == torch.float64 else images.float()).contiguous()
        moving = Moving(self.parts, draw, work, self.padding)
        moved = moving(work, interpolation=self.interpolation)
        canvas = Canvas(moved, owned=moved.data_ptr() != images.data_ptr(), exact=moved is work)
        for part, drawn in zip(self.parts, draw.parts, strict=True):
            if isinstance(part, Linear):
                canvas.linear(part, drawn)
            elif isinstance(part, Intensity):
                canvas.change(part, drawn)
        canvas.mix(draw)
        changed = canvas.finish().to(images.dtype).contiguous(memory_format=_layout(images))
        if masks is None:
            return changed
        labels = masks.to(work.device, work.dtype, copy=True)  # the result is no view of the input
        return changed, moving(labels, interpolation="nearest").to(masks.dtype)


def _then(matrix: Array, own: Array, active: npt.NDArray[np.bool_]) -> Array:
    """Put one more geometry behind those composed so far, for the samples that drew it."""
    return np.where(active[:, None, None], matrix @ own, matrix)


def _partners(stream: Stream) -> npt.NDArray[np.int64]:
    """A partner for each sample: the next one in a random order of the batch, so never itself."""
    order = stream.unit()[:, 0].argsort()
    partner = np.empty_like(order)
    partner[order] = np.roll(order, -1)
    return partner


def _layout(images: Tensor) -> torch.memory_format:
    """Channels last where the images are laid so and no other way."""
    last = images.ndim == 4 and images.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if last and not images.is_contiguous() else torch.contiguous_format


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
