"""Map values through a random curve."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from medgraft.augment.streams import Stream
from medgraft.pretext.distortions import Distortion, Numbers, Shape, Values, distortion

_SAMPLES = 4096  # points of the curve from which its table is made


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
        control = stream.unit(4).reshape(-1, 2, 2)
        return {"control": control, "falls": stream.unit()[:, 0] < 0.5}

    def change(self, images: Tensor, values: Values) -> Tensor:
        """The images with each value looked up, alike in all channels."""
        table = self.table(values).to(images.dtype)
        place = images.flatten(1) * self.entries
        cell = place.int().clamp_(0, self.entries - 1)
        place -= cell
        row = torch.arange(len(table), dtype=torch.int32, device=table.device)[:, None]
        cell += row * (self.entries + 1)
        low = table.flatten().index_select(0, cell.flatten())
        step = torch.cat([table.diff(dim=1), table[:, :1] * 0], dim=1).flatten()
        changed = step.index_select(0, cell.flatten()).mul_(place.flatten()).add_(low)
        return changed.clamp_(0, 1).reshape(images.shape)

    def table(self, values: Values) -> Tensor:
        """The curve at `entries` + 1 values from 0 to 1, float64, shape (B, entries + 1)."""
        control = values["control"].double()
        t = torch.linspace(0, 1, _SAMPLES, dtype=torch.float64, device=control.device)
        first, second, third = 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t**2, t**3
        curve = control[:, :, :1] * first + control[:, :, 1:] * second + third
        x = curve[:, 0].contiguous()
        y = torch.where(values["falls"][:, None], curve[:, 1].flip(1), curve[:, 1])
        knots = torch.linspace(0, 1, self.entries + 1, dtype=torch.float64, device=x.device)
        right = torch.searchsorted(x, knots.expand(len(x), -1).contiguous()).clamp_(1, _SAMPLES - 1)
        left_x, left_y = x.gather(1, right - 1), y.gather(1, right - 1)
        width = (x.gather(1, right) - left_x).clamp_(min=1e-300)
        return left_y + (y.gather(1, right) - left_y) * ((knots - left_x) / width)
