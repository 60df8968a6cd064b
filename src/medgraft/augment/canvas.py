"""The values of a batch while they change: as few passes over memory as possible."""

from __future__ import annotations

from torch import Tensor

from medgraft.augment.draw import Draw, Part
from medgraft.augment.transforms import Intensity, Linear


class Canvas:
    """A batch (B, C, *S) whose values change step by step.

    Linear changes wait and become one; values are brought back into [0, 1] once, when
    something else needs them or at the end.

    Args:
        images: The batch; floats.
        owned: Whether it may be written to.
        exact: Whether its values are in [0, 1] for sure; interpolation rounds, and may exceed 1 by
            a last digit.
    """

    def __init__(self, images: Tensor, *, owned: bool, exact: bool) -> None:
        self._images = images
        self._owned = owned
        self._in_range = exact
        self._line: tuple[Tensor, Tensor] | None = None

    def linear(self, part: Linear, drawn: Part) -> None:
        """Put gain * x + offset behind the linear changes that wait already."""
        if not drawn.active.any():
            return
        gain, offset = part.line(drawn.values)
        gain, offset = gain.where(drawn.active, 1.0), offset.where(drawn.active, 0.0)
        if self._line is not None:
            before_gain, before_offset = self._line
            gain, offset = gain * before_gain, gain * before_offset + offset
        self._line = gain, offset

    def change(self, part: Intensity, drawn: Part) -> None:
        """Let `part` change the samples it was drawn for."""
        rows = drawn.active.nonzero()[:, 0]
        if not len(rows):
            return
        self._settle()
        images, there = self._writable(), rows.to(self._images.device)
        values = {key: value[rows].to(images.device) for key, value in drawn.values.items()}
        whole = len(rows) == len(images)
        changed = part.change(images if whole else images[there], values)
        self._images = changed if whole else images.index_copy_(0, there, changed)

    def mix(self, draw: Draw) -> None:
        """Blend samples with their partners."""
        rows = (draw.weight < 1).nonzero()[:, 0]
        if not len(rows):
            return
        self._settle()
        images, there = self._writable(), rows.to(self._images.device)
        weight = self._per_sample(draw.weight[rows])
        partners = images[draw.partner[rows].to(images.device)]
        blended = (weight * images[there]).add_(partners.mul_(1 - weight))
        images.index_copy_(0, there, blended.clamp_(0, 1))

    def finish(self) -> Tensor:
        """The batch, in [0, 1], in memory of its own."""
        self._settle()
        return self._writable()

    def _settle(self) -> None:
        if self._line is not None:
            gain, offset = map(self._per_sample, self._line)
            # Two passes with one number per sample are faster than torch.addcmul's single one.
            scaled = self._images.mul_(gain) if self._owned else self._images * gain
            self._images, self._owned = scaled.add_(offset), True
            self._in_range, self._line = False, None
        if not self._in_range:
            self._images = self._writable().clamp_(0, 1)
            self._in_range = True

    def _writable(self) -> Tensor:
        if not self._owned:
            self._images, self._owned = self._images.clone(), True
        return self._images

    def _per_sample(self, value: Tensor) -> Tensor:
        value = value.to(self._images.device, self._images.dtype)
        return value.reshape(-1, *(1,) * (self._images.ndim - 1))
