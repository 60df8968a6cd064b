"""Random numbers that belong to a sample, not to a batch.

A generator per sample would cost more than the augmentation itself. Here number k of a
sample is a hash of (purpose, sample, k), the finaliser of SplitMix64 (Steele, Lea and Flood
2014), taken for the whole batch at once. What a sample draws thus does not depend on which
samples stand beside it, in which order, or in which worker.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
_STEP = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio, the step of SplitMix64


class Stream:
    """The random numbers of B samples for one purpose.

    Args:
        key: What they are for; `medgraft.seeds.derive` makes one.
        samples: One integer per sample, shape (B,); equal integers draw equal numbers.
    """

    def __init__(self, key: int, samples: npt.NDArray[np.int64]) -> None:
        self._start = _mix(samples.astype(np.uint64) * _STEP + np.uint64(key))
        self._used = 0

    def integers(self, count: int = 1) -> npt.NDArray[np.uint64]:
        """The next `count` words of 64 random bits of each sample, shape (B, count)."""
        index = np.arange(self._used + 1, self._used + count + 1, dtype=np.uint64)
        self._used += count
        return _mix(self._start[:, None] + index * _STEP)

    def unit(self, count: int = 1) -> Array:
        """Numbers uniform in [0, 1), shape (B, count).

        Examples:
            >>> few, many = np.array([7]), np.array([3, 7, 5])
            >>> bool((Stream(1, few).unit(4)[0] == Stream(1, many).unit(4)[1]).all())
            True
        """
        return (self.integers(count) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def uniform(self, low: float, high: float) -> Array:
        """One number per sample, uniform in [low, high), shape (B,)."""
        return low + (high - low) * self.unit()[:, 0]

    def log_uniform(self, low: float, high: float) -> Array:
        """One number per sample whose logarithm is uniform, shape (B,)."""
        return np.exp(self.uniform(float(np.log(low)), float(np.log(high))))

    def choice(self, count: int) -> npt.NDArray[np.int64]:
        """One of 0 .. count - 1 per sample, all equally likely, shape (B,)."""
        return (self.unit()[:, 0] * count).astype(np.int64)

    def normal(self, count: int) -> Array:
        """Standard normal numbers, shape (B, count), by the transform of Box and Muller."""
        radius = np.sqrt(-2 * np.log1p(-self.unit(count)))
        normal: Array = radius * np.cos(2 * np.pi * self.unit(count))
        return normal


def _mix(word: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))
