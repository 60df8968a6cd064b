"""Map values through a random curve."""

from __future__ import annotations

from functools import cache

import torch
from pydantic import Field
from torch import Tensor

from medgraft.augment.streams import Stream
from medgraft.pretext.distortions import Distortion, Numbers, Shape, Values, distortion

_SAMPLES = 1024  # points of the curve from which its table is made


@distortion("nonlinear")
class Nonlinear(Distortion):
    """Map all values through one monotone Bezier curve per image (Zhou et al. 2021).

    The curve runs from (0, 0) to (1, 1) with two control points anywhere in the unit square,
    which makes it monotone in both coordinates. Half of all curves fall: the value at x is
    then that of the rising curve run through backwards, from (0, 1) to (1, 0).
    """

    entries: int = Field(default=1024, ge=64, le=65_536)
    """Entries of the table that the curve becomes; between them it is straight."""

    def draw(self, stream: Stream, shape: Shape) -> Numbers:
        """`control`, (B, 2, 2): x then y of the two inner points; and `falls`, (B,)."""
        del shape
        numbers = stream.unit(5)
        return {"control": numbers[:, :4].reshape(-1, 2, 2), "falls": numbers[:, 4] < 0.5}

    def change(self, images: Tensor, values: Values) -> Tensor:
        """The images with each value looked up, alike in all channels."""
        table = self.table(values).to(images.dtype)
        step = torch.zeros_like(table)
        torch.sub(table[:, 1:], table[:, :-1], out=step[:, :-1])
        place = (images.flatten(1) * self.entries).clamp_(0, self.entries)
        row = torch.arange(len(table), dtype=torch.int32, device=table.device)[:, None]
        cell = place.int().add_(row * table.shape[1]).flatten()
        changed = table.flatten().index_select(0, cell)
        changed.addcmul_(step.flatten().index_select(0, cell), place.frac_().flatten())
        return changed.clamp_(0, 1).reshape(images.shape)

    def table(self, values: Values) -> Tensor:
        """The curve at `entries` + 1 values from 0 to 1, float64, shape (B, entries + 1)."""
        control = values["control"].double()
        first, second, third = _weights(control.device)
        curve = control[:, :, :1] * first + control[:, :, 1:] * second + third
        x = curve[:, 0].contiguous()
        y = torch.where(values["falls"][:, None], curve[:, 1].flip(1), curve[:, 1])
        knots = _even(self.entries + 1, x.device)
        right = torch.searchsorted(x, knots.expand(len(x), -1).contiguous()).clamp_(1, _SAMPLES - 1)
        left = right - 1
        left_x, left_y = x.gather(1, left), y.gather(1, left)
        width = x.gather(1, right).sub_(left_x).clamp_(min=1e-300)
        share = (knots - left_x).div_(width)
        return y.gather(1, right).sub_(left_y).mul_(share).add_(left_y)


@cache
def _even(count: int, device: torch.device) -> Tensor:
    return torch.linspace(0, 1, count, dtype=torch.float64, device=device)


@cache
def _weights(device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Of the last three of the four points that make a cubic curve, at each of its samples."""
    t = _even(_SAMPLES, device)
    return 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t**2, t**3
