"""What was drawn for a batch: plain tensors, and words for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class Part:
    """What one augmentation drew for B samples.

    Attributes:
        spec: The augmentation with all its options.
        active: Which samples it changes, bool, shape (B,).
        values: Its numbers by name, each with the samples on its first axis; those of
            samples that are not active mean nothing.
    """

    spec: str
    active: Tensor
    values: Mapping[str, Tensor]

    @property
    def name(self) -> str:
        """The augmentation, without its options."""
        return self.spec.partition(":")[0]


@dataclass(frozen=True)
class Draw:
    """All random choices for a batch. Applying it twice gives the same pixels twice.

    Attributes:
        shape: Spatial shape of the images it was drawn for.
        seed: What it was drawn from, together with `samples`.
        samples: Integer that stands for each sample, int64, shape (B,).
        parts: What each augmentation drew, in the order of the specs.
        matrix: All geometry but displacement, float64, shape (B, D + 1, D + 1): from the
            place of a pixel in the result to its place in the input, in pixels from the centre.
        symmetry: Entry of `geometry.symmetries(shape)` where the matrix is one (0: nothing
            moves), -1 where pixels must be resampled; int64, shape (B,).
        partner: Which sample of the batch each is mixed with, int64, shape (B,).
        weight: Share of itself that each sample keeps, float32, shape (B,); 1 without mixing.
    """

    shape: tuple[int, ...]
    seed: int
    samples: Tensor
    parts: tuple[Part, ...]
    matrix: Tensor
    symmetry: Tensor
    partner: Tensor
    weight: Tensor

    @property
    def resampled(self) -> Tensor:
        """Which samples need interpolation, int64, shape (count,)."""
        return (self.symmetry < 0).nonzero()[:, 0]

    def mix(self, targets: Tensor) -> Tensor:
        """Targets (B, ...) blended as the images were; NaN (no label) stays NaN.

        Examples:
            >>> import torch
            >>> from medgraft.augment import Augmenter
            >>> draw = Augmenter(["flip"]).draw(2, (8, 8), seed=0)
            >>> draw.mix(torch.tensor([1.0, 0.0]))
            tensor([1., 0.])
        """
        weight = self.weight.to(targets.device, targets.dtype)
        weight = weight.reshape(-1, *(1,) * (targets.ndim - 1))
        mixed = weight * targets + (1 - weight) * targets[self.partner.to(targets.device)]
        return mixed.where(weight < 1, targets)

    def caption(self, sample: int) -> str:
        """What happens to one sample, in a few words, such as ``rotate -7.3, flip 1``."""
        words = [
            " ".join([part.name, *_numbers(part, sample)])
            for part in self.parts
            if part.active[sample]
        ]
        return ", ".join(words) or "as it is"

    def to_json(self) -> dict[str, Any]:
        """A summary that JSON can hold: which samples each augmentation changes, and how much.

        Numbers of a sample stand in full where there are at most eight of them; of more (the
        control points of a field) only the least and the greatest value.
        """
        return {
            "seed": self.seed,
            "shape": list(self.shape),
            "samples": self.samples.tolist(),
            "partner": self.partner.tolist(),
            "weight": self.weight.tolist(),
            "parts": [
                {
                    "spec": part.spec,
                    "active": part.active.tolist(),
                    "values": {key: _plain(value) for key, value in part.values.items()},
                }
                for part in self.parts
            ],
        }


def _plain(value: Tensor) -> Any:
    flat = value.flatten(1) if value.ndim > 1 else value
    if flat.ndim == 1 or flat.shape[1] <= 8:
        return value.tolist()
    return {"least": flat.amin(1).tolist(), "greatest": flat.amax(1).tolist()}


def _numbers(part: Part, sample: int) -> list[str]:
    values = [value[sample].double() for value in part.values.values() if value[sample].numel() < 4]
    return [
        f"{round(number, 2) + 0.0:g}"  # + 0.0 turns -0 into 0
        for value in values
        if value.abs().max() < 1e6  # else it is the seed of a noise
        for number in value.flatten().tolist()
    ]
