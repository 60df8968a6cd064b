"""Features with mean zero and deviation one, and the way back into the weights of a layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SAME = 1e-5  # of its mean: a float32 average over a map varies by less than this out of rounding


@dataclass(frozen=True)
class Scaling:
    """Standardisation of features.

    Attributes:
        mean: Of each feature, shape (D,).
        inverse: One over its standard deviation, shape (D,); 0 for a feature that does not vary,
            which would otherwise turn rounding into signal.
    """

    mean: np.ndarray
    inverse: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray) -> Scaling:
        """The standardisation that rows of features, shape (N, D), ask for."""
        features = features.astype(np.float64)
        mean, std = features.mean(axis=0), features.std(axis=0)
        varies = std > SAME * np.abs(mean) + np.finfo(np.float64).tiny
        return cls(mean, np.divide(1.0, std, out=np.zeros_like(std), where=varies))

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Standardised features, float64."""
        return np.asarray((features - self.mean) * self.inverse)

    def fold(self, weights: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weights (K, D) and biases (K,) that do to features what those given do to scaled ones."""
        folded = weights * self.inverse
        return folded, bias - folded @ self.mean
