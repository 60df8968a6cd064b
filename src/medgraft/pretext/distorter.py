"""Draw, then distort."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from medgraft import spec as specs_module
from medgraft.augment.draw import Part
from medgraft.augment.streams import Stream
from medgraft.errors import ArgumentError, ShapeError
from medgraft.pretext.distortions import Distortion, distortions
from medgraft.pretext.flips import Flips
from medgraft.seeds import derive

# Values that are distorted together: what fits the cache of a processor, or the memory of an
# accelerator (places in a group are 32-bit integers).
_GROUP, _LARGE_GROUP = 1 << 19, 1 << 28
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Stage:
    """One step of a distortion: with probability `p`, exactly one of some alternatives.

    Attributes:
        specs: The alternatives, such as ``outpaint:windows=1``.
        p: Probability that any of them happens.
        weights: Share of each alternative, in any unit; None for equal shares.
    """

    specs: tuple[str, ...]
    p: float = 1.0
    weights: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if not self.specs:
            raise ArgumentError("a stage must have at least one distortion, got none")
        if not 0 <= self.p <= 1:
            raise ArgumentError(f"p must be in [0, 1], got {self.p!r}")
        weights = self.weights or (1.0,) * len(self.specs)
        if len(weights) != len(self.specs) or min(weights) < 0 or not sum(weights) > 0:
            raise ArgumentError(
                f"weights must be {len(self.specs)} numbers that are not negative nor all zero,"
                f" one per distortion, got {self.weights!r}"
            )

    def shares(self) -> tuple[float, ...]:
        """Probability of each alternative, given that one happens."""
        weights = self.weights or (1.0,) * len(self.specs)
        return tuple(weight / sum(weights) for weight in weights)


@dataclass(frozen=True)
class Draw:
    """All random choices for a batch. Applying it twice gives the same voxels twice.

    Attributes:
        shape: Spatial shape of the images it was drawn for.
        seed: What it was drawn from, together with `samples`.
        samples: Integer that stands for each sample, int64, shape (B,).
        mirrored: Axes along which image and target are mirrored, bool, shape (B, D).
        parts: What each distortion drew, stage by stage, alternatives side by side.
    """

    shape: tuple[int, ...]
    seed: int
    samples: Tensor
    mirrored: Tensor
    parts: tuple[Part, ...]

    def caption(self, sample: int) -> str:
        """What happens to one sample, in a few words, such as ``flip 0, nonlinear, outpaint``."""
        axes = self.mirrored[sample].nonzero()[:, 0].tolist()
        flips = [f"flip {' '.join(map(str, axes))}"] if axes else []
        happens = [part.name for part in self.parts if part.active[sample]]
        return ", ".join(flips + happens) or "as it is"

    def to_json(self) -> dict[str, Any]:
        """Everything drawn, as JSON can hold it, but the numbers of a whole field."""
        return {
            "seed": self.seed,
            "shape": list(self.shape),
            "samples": self.samples.tolist(),
            "mirrored": self.mirrored.tolist(),
            "parts": [
                {
                    "spec": part.spec,
                    "active": part.active.tolist(),
                    "values": {
                        key: value.tolist()
                        for key, value in part.values.items()
                        if value[:1].numel() <= _FIELD
                    },
                }
                for part in self.parts
            ],
        }


_FIELD = 64  # numbers of one sample above which a record of the draw is of no use to a reader


class Distorter:
    """Distorted images and what they were, drawn and recorded first, then computed.

    Args:
        stages: Done in this order.
        dims: Spatial axes of the images: 2 or 3.
        flips: Mirroring of image and target before everything else, or None.

    Raises:
        UnknownNameError: If a spec names no distortion.
        ArgumentError: If an option is unknown or out of range.

    Examples:
        >>> distorter = Distorter([Stage(("hole",), p=1)], dims=2)
        >>> images = torch.ones(1, 1, 8, 8)
        >>> distorted, targets = distorter.apply(images, distorter.draw(1, (8, 8), seed=0))
        >>> distorted.mean().item(), targets.mean().item()
        (0.875, 1.0)
    """

    def __init__(self, stages: Sequence[Stage], dims: int, *, flips: Flips | None = None) -> None:
        if dims not in (2, 3):
            raise ArgumentError(f"dims must be 2 or 3, got {dims!r}")
        self.dims = dims
        self.flips = flips
        self.stages = tuple(stages)
        built = [[specs_module.build(distortions, text) for text in one.specs] for one in stages]
        self.parts: tuple[Distortion, ...] = tuple(part for stage in built for part in stage)
        self.specs = tuple(
            specs_module.write(specs_module.parse(text)[0], part)
            for stage, parts in zip(self.stages, built, strict=True)
            for text, part in zip(stage.specs, parts, strict=True)
        )

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
        rest of the batch, its order, the device or the number of workers.

        Args:
            count: Samples in the batch.
            shape: Spatial shape, one size per axis.
            seed: Of the step or the epoch; see `medgraft.seeds.derive`.
            samples: One integer per sample, such as its row in the index; 0 .. count - 1
                unless given.

        Raises:
            ShapeError: If the shape has another number of axes, or is too small for a
                distortion.
        """
        shape = tuple(int(size) for size in shape)
        if len(shape) != self.dims:
            raise ShapeError(f"shape must have {self.dims} spatial axes, got {shape}")
        ids = np.asarray(range(count) if samples is None else samples, dtype=np.int64)
        if ids.shape != (count,):
            raise ShapeError(f"samples must have shape ({count},), got {ids.shape}")
        mirrored = np.zeros((count, self.dims), dtype=np.bool_)
        if self.flips is not None:
            mirrored = self.flips.draw(Stream(derive(seed, "distort", "flips"), ids), self.dims)
        chances = Stream(derive(seed, "distort", "stages"), ids).unit(2 * len(self.stages))
        parts: list[Part] = []
        for number, stage in enumerate(self.stages):
            happens, chosen = chances[:, 2 * number], chances[:, 2 * number + 1]
            for active in _alternatives(happens, chosen, stage):
                place = len(parts)
                stream = Stream(derive(seed, "distort", "part", place), ids)
                values = self.parts[place].draw(stream, shape)
                tensors = {key: torch.from_numpy(value) for key, value in values.items()}
                parts.append(Part(self.specs[place], torch.from_numpy(active), tensors))
        return Draw(shape, seed, torch.from_numpy(ids), torch.from_numpy(mirrored), tuple(parts))

    def apply(self, images: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        """The distorted images, and what a network should make of them.

        Args:
            images: Float batch (B, C, *shape) in [0, 1] on any device; it is not written to.
                16-bit floats are computed in float32 and rounded at the end.
            draw: From `draw` of this distorter.

        Returns:
            Distorted images, in memory of their own, and targets: the mirrored images, or
            `images` itself if nothing is mirrored. Both of the shape and dtype of `images`.

        Raises:
            ShapeError: If the batch is not what the draw was made for.
        """
        _check(images, draw)
        targets = _mirrored(images, draw.mirrored)
        values = _GROUP if images.device.type == "cpu" else _LARGE_GROUP
        step = max(1, values // math.prod(images.shape[1:]))
        if step >= len(images):
            whole = self._distorted(targets, draw.parts, slice(None)).to(images.dtype)
            return whole.clone() if whole is targets else whole, targets
        distorted = torch.empty_like(images, memory_format=torch.contiguous_format)
        for first in range(0, len(images), step):
            group = slice(first, first + step)
            distorted[group] = self._distorted(targets[group], draw.parts, group)
        return distorted, targets

    def _distorted(self, images: Tensor, drawn: Sequence[Part], group: slice) -> Tensor:
        """A group of the batch, all parts after another; maybe `images` themselves."""
        images = images if images.dtype == torch.float64 else images.float()
        for part, one in zip(self.parts, drawn, strict=True):
            active = one.active[group]
            rows = active.nonzero()[:, 0]
            if len(rows) == 0:
                continue
            values = {
                key: value[group][rows].to(images.device, non_blocking=True)
                for key, value in one.values.items()
            }
            if len(rows) == len(active):
                images = part.change(images, values)
            else:
                rows = rows.to(images.device)
                images = images.index_copy(0, rows, part.change(images[rows], values))
        return images

    def hidden(self, draw: Draw, device: torch.device | str = "cpu") -> Tensor:
        """Voxels of which the distorted images say nothing, bool, shape (B, 1, *shape)."""
        hidden = torch.zeros(len(draw.samples), 1, *draw.shape, dtype=torch.bool, device=device)
        for part, drawn in zip(self.parts, draw.parts, strict=True):
            values = {key: value.to(device) for key, value in drawn.values.items()}
            own = part.hidden(values, draw.shape)
            if own is not None:
                active = drawn.active.to(device).reshape(-1, *(1,) * (hidden.ndim - 1))
                hidden |= own & active
        return hidden


def _alternatives(first: Floats, second: Floats, stage: Stage) -> list[Bools]:
    """Which samples each alternative happens to: if any, by the first number; by the second, which."""
    happens = first < stage.p
    if len(stage.specs) == 1:
        return [happens]
    chosen = np.searchsorted(np.cumsum(stage.shares())[:-1], second, side="right")
    return [happens & (chosen == place) for place in range(len(stage.specs))]


def _mirrored(images: Tensor, mirrored: Tensor) -> Tensor:
    """Images flipped along the axes of each sample, in one go per pattern that occurs."""
    if not mirrored.any():
        return images
    patterns = [tuple(sample) for sample in mirrored.tolist()]
    result = torch.empty_like(images)
    for pattern in sorted(set(patterns)):
        axes = [axis + 2 for axis, flipped in enumerate(pattern) if flipped]
        alike = [row for row, other in enumerate(patterns) if other == pattern]
        if len(alike) == len(images):
            return images.flip(axes)
        rows = torch.tensor(alike, device=images.device)
        result.index_copy_(0, rows, images.index_select(0, rows).flip(axes))
    return result


def _check(images: Tensor, draw: Draw) -> None:
    count, dims = len(draw.samples), len(draw.shape)
    if images.ndim != dims + 2 or len(images) != count or tuple(images.shape[2:]) != draw.shape:
        raise ShapeError(
            f"images must have shape ({count}, C, {', '.join(map(str, draw.shape))}), as they were"
            f" drawn for, got {tuple(images.shape)}"
        )
    if not images.is_floating_point():
        raise ShapeError(f"images must be floats in [0, 1], got {images.dtype}")
