"""Say how an image was turned."""

from __future__ import annotations

from itertools import combinations
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from medgraft.augment.streams import Stream
from medgraft.pretext.tasks import Classifying, Example, Shape, pretext
from medgraft.seeds import derive

Turn = tuple[int, int, int]  # two spatial axes and how many quarter turns


@pretext("rotation")
class Rotation(Classifying):
    """Tell by how many quarter turns, and about which axis, an image was turned.

    Four classes in 2-D (0, 90, 180, 270 degrees), ten in 3-D (none, or three turns about each of
    three axes: Taleb et al. 2020, arXiv:2006.03829). Where the two sides differ only the half
    turn keeps the shape, and the quarter turns are left out.
    """

    source: ClassVar[str] = "Gidaris et al. 2018, arXiv:1803.07728"

    def classes(self, shape: Shape) -> int:
        """The turns that keep the shape, and none."""
        return len(turns(shape))

    def example(
        self, images: Tensor, *, seed: int, samples: np.ndarray, as_published: bool = False
    ) -> Example:
        """Turned images, and which turn it was."""
        del as_published
        known = turns(tuple(images.shape[2:]))
        chance = Stream(derive(seed, "rotation"), samples).unit()[:, 0]
        chosen = torch.from_numpy((chance * len(known)).astype(np.int64)).to(images.device)
        inputs = torch.empty_like(images)
        for number, (first, second, quarters) in enumerate(known):
            rows = (chosen == number).nonzero()[:, 0]
            inputs[rows] = torch.rot90(images[rows], quarters, (2 + first, 2 + second))
        return Example(inputs, chosen)


def turns(shape: Shape) -> list[Turn]:
    """Every turn that keeps a spatial shape, none first.

    Examples:
        >>> len(turns((8, 8))), len(turns((8, 8, 8))), turns((8, 6))
        (4, 10, [(0, 1, 0), (0, 1, 2)])
    """
    found: list[Turn] = [(0, 1, 0)]
    for first, second in combinations(range(len(shape)), 2):
        quarters = (1, 2, 3) if shape[first] == shape[second] else (2,)
        found += [(first, second, count) for count in quarters]
    return found
