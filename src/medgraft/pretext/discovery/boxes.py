"""Where crops are cut: the place of a pattern, and the same place at other sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medgraft.seeds import generator


@dataclass(frozen=True)
class Boxes:
    """Boxes on the grid of the scans.

    Attributes:
        starts: First pixels, int32, shape (instances, scales, axes).
        sides: Likewise; of the first scale always those of the crop.
    """

    starts: np.ndarray
    sides: np.ndarray


def draw_boxes(
    start: Sequence[int],
    crop: Sequence[int],
    shape: Sequence[int],
    instances: int,
    *,
    larger: int,
    zoom: tuple[float, float],
    jitter: float,
    seed: int,
) -> Boxes:
    """The boxes of one pattern: in every scan the same, and `larger` ones about it.

    The sides of a further box are those of the crop times a factor drawn evenly from `zoom`, the
    same along all axes; its middle moves by up to `jitter` sides. A box that would leave the scan is
    moved back into it, one that is larger than the scan is cut to it.

    Source: Haghighi et al. 2020: sides of 50 to 79 and moves of -10 to 9 for crops of 64.

    Args:
        start: First pixel of the crop.
        crop: Its sides.
        shape: Of the scans; the crop lies in it.
        instances: Scans to cut from.
        larger: Further boxes per scan.
        zoom: Least and largest factor.
        jitter: Share of the crop's side.
        seed: Of the draws; name the pattern in it.

    Examples:
        >>> found = draw_boxes((4, 0), (8, 8), (16, 16), 2, larger=1, zoom=(1, 2), jitter=0.2, seed=0)
        >>> found.starts[:, 0].tolist(), found.sides.shape
        ([[4, 0], [4, 0]], (2, 2, 2))
    """
    base, whole = np.asarray(crop), np.asarray(shape)
    draw = generator(seed, "boxes")
    factor = draw.uniform(*zoom, size=(instances, larger, 1))
    moved = draw.uniform(-jitter, jitter, size=(instances, larger, len(base))) * base
    sides = np.clip(np.rint(factor * base), 1, whole)
    starts = np.rint(np.asarray(start) + base / 2 + moved - sides / 2)
    starts = np.clip(starts, 0, whole - sides)
    fixed = (instances, 1, len(base))
    return Boxes(
        np.concatenate([np.broadcast_to(start, fixed), starts], axis=1).astype(np.int32),
        np.concatenate([np.broadcast_to(base, fixed), sides], axis=1).astype(np.int32),
    )
