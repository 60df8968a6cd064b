"""Where a slide shows tissue: what is coloured, by Otsu's threshold on the saturation."""

from __future__ import annotations

import numpy as np


def tissue(picture: np.ndarray) -> np.ndarray:
    """The stained pixels of a slide at low resolution.

    Args:
        picture: Shape (rows, columns, 3), uint8.

    Returns:
        Shape (rows, columns), bool; nowhere true where all pixels are equally saturated.
    """
    high, low = picture.max(axis=-1), picture.min(axis=-1)
    spread = (high - low).astype(np.float32)
    saturation = np.rint(255 * spread / np.maximum(high, 1)).astype(np.uint8)
    found: np.ndarray = saturation > otsu(np.bincount(saturation.ravel(), minlength=256))
    return found


def otsu(counts: np.ndarray) -> int:
    """The value that best divides a histogram in two (Otsu 1979, doi:10.1109/TSMC.1979.4310076).

    Args:
        counts: Shape (K,): how many pixels have the value k.

    Returns:
        The greatest value of the lower class: the variance between the classes is largest.

    Examples:
        >>> otsu(np.array([5, 5, 0, 0, 0, 3, 3]))
        1
    """
    weight = counts / counts.sum()
    below = np.cumsum(weight)
    mean = np.cumsum(weight * np.arange(len(counts)))
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (mean[-1] * below - mean) ** 2 / (below * (1 - below))
    return int(np.argmax(np.nan_to_num(between, nan=0.0, posinf=0.0)))
