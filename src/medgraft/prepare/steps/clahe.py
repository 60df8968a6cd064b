"""Even out contrast, place by place."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field

from medgraft.prepare.steps import Step, above_ground, scaled, step
from medgraft.read.scan import Scan

BINS = 256


@step("clahe")
class Clahe(Step):
    """Contrast-limited adaptive histogram equalisation.

    The image is laid out in tiles; each has the map that would give it an even histogram, held
    down where that would raise contrast by more than `limit`; between the middles of tiles the
    maps are interpolated (Zuiderveld 1994, Graphics Gems IV, pp. 474-485). Black is left out of
    the histograms and stays black, so erased surroundings do not count: where a tile
    was erased in part, the histogram of the whole image stands in for that part.

    Equalising twice equalises more: of the steps for films it is the only one that is not the same
    when it is done again. It changes density as well as contrast.
    """

    dims: ClassVar[frozenset[int]] = frozenset({2})
    limit: float = Field(2.0, ge=1)
    """Most that contrast is raised by; 1 changes nothing."""
    tiles: int = Field(8, ge=1, le=64)
    """Tiles along each side."""

    def __call__(self, scan: Scan) -> Scan:
        """The scan as float32 in [0, 1]; 0 is the least value that the image can hold."""
        array = np.stack([self._equalised(channel) for channel in above_ground(scan)])
        return scaled(scan, array)

    def _equalised(self, grey: np.ndarray) -> np.ndarray:
        place = grey * (BINS - 1)
        bins = place.astype(np.intp)  # rounded down: the map is interpolated between bins
        maps = self._maps(grey, bins)
        upper = np.minimum(bins + 1, BINS - 1)
        share = place - bins
        rows, columns = (_between(size, self.tiles) for size in grey.shape)
        result = np.zeros_like(grey)
        for row, row_weight in rows:
            for column, column_weight in columns:
                at = row[:, None], column[None, :]
                value = maps[*at, bins] * (1 - share) + maps[*at, upper] * share
                result += row_weight[:, None] * column_weight[None, :] * value
        return np.where(grey > 0, result, 0).clip(0, 1)

    def _maps(self, grey: np.ndarray, bins: np.ndarray) -> np.ndarray:
        """For each tile the new value of each bin, float32 (tiles, tiles, BINS)."""
        tile = [(np.arange(size) * self.tiles) // size for size in grey.shape]
        number = tile[0][:, None] * self.tiles + tile[1][None, :]
        lit = grey > 0
        size = self.tiles**2
        counts = np.bincount(number[lit] * BINS + bins[lit], minlength=size * BINS)
        shares = counts.reshape(size, BINS).astype(np.float64)
        whole = shares.sum(axis=0) / max(shares.sum(), 1)
        area = np.maximum(np.bincount(number.ravel(), minlength=size), 1)[:, None]
        shares = shares / area
        shares += (1 - shares.sum(axis=1, keepdims=True)) * whole
        most = self.limit / BINS
        excess = np.maximum(shares - most, 0).sum(axis=1, keepdims=True)
        even = np.minimum(shares, most) + excess / BINS
        ends = np.cumsum(even, axis=1)
        middles: np.ndarray = (ends - even / 2).astype(np.float32)
        return middles.reshape(self.tiles, self.tiles, BINS)


def _between(size: int, tiles: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """The two tiles whose middles lie around each pixel, and what each of them counts."""
    place = (np.arange(size) + 0.5) * tiles / size - 0.5
    low = np.floor(place).astype(np.intp)
    share = (place - low).astype(np.float32)
    return [
        (low.clip(0, tiles - 1), 1 - share),
        ((low + 1).clip(0, tiles - 1), share),
    ]
