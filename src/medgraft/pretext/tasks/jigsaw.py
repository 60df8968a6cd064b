"""Say in which order the tiles of an image lie."""

from __future__ import annotations

from functools import cache
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from medgraft.augment.streams import Stream
from medgraft.errors import ShapeError
from medgraft.pretext.distortions.patch_shuffle import PatchShuffle
from medgraft.pretext.tasks import Classifying, Example, Shape, pretext
from medgraft.seeds import derive, generator

CANDIDATES = 1000  # random orders of which each further one is chosen


@pretext("jigsaw")
class Jigsaw(Classifying):
    """Tell which of a few known orders the tiles of an image were laid in.

    The tiles are laid together into one image, which one network sees as a whole (Carlucci et
    al. 2019), not one by one into nine copies of it (Noroozi and Favaro 2016, arXiv:1603.09246).
    The orders are chosen to differ in as many places as possible; one more class is the image in
    order. In 3-D the tiles are cubes (Taleb et al. 2020, arXiv:2006.03829).
    """

    source: ClassVar[str] = "Carlucci et al. 2019, arXiv:1903.06864"

    tiles: int = Field(3, ge=2, le=8)
    """Along each axis; what is left over at the far border stays."""
    orders: int = Field(30, ge=1, le=1000)
    """How many orders, besides none."""

    def classes(self, shape: Shape) -> int:
        """The orders, and none."""
        if min(shape) < 2 * self.tiles:
            raise ShapeError(
                f"each axis must hold {self.tiles} tiles of at least 2 pixels, got images of shape"
                f" {shape}; lower tiles or prepare larger images"
            )
        return len(far_orders(self.tiles ** len(shape), self.orders))

    def example(
        self, images: Tensor, *, seed: int, samples: np.ndarray, as_published: bool = False
    ) -> Example:
        """Images with their tiles in another order, and which one it is."""
        del as_published
        known = far_orders(self.tiles ** (images.ndim - 2), self.orders)
        chance = Stream(derive(seed, "jigsaw"), samples).unit()[:, 0]
        chosen = (chance * len(known)).astype(np.int64)
        order = torch.from_numpy(known[chosen]).to(images.device)
        laid = PatchShuffle(tiles=self.tiles).change(images, {"source": order})
        return Example(laid, torch.from_numpy(chosen).to(images.device))


@cache
def far_orders(tiles: int, count: int) -> np.ndarray:
    """Orders of so many tiles that differ in many places, in order first, shape (count + 1, tiles).

    Greedy, as Noroozi and Favaro choose them: of a thousand random orders the one whose
    smallest distance (places that differ) to those before is largest. The same for every run. There are fewer than
    asked for where so few tiles have no more orders.

    Examples:
        >>> far_orders(4, 2).tolist()[0], len(far_orders(4, 100))
        ([0, 1, 2, 3], 24)
    """
    chance = generator(0, "jigsaw", tiles)
    candidates = np.unique(np.stack([chance.permutation(tiles) for _ in range(CANDIDATES)]), axis=0)
    chosen = [np.arange(tiles)]
    distance = (candidates != chosen[0]).sum(axis=1)
    while len(chosen) <= count and distance.max() > 0:
        chosen.append(candidates[distance.argmax()])
        distance = np.minimum(distance, (candidates != chosen[-1]).sum(axis=1))
    return np.stack(chosen)
