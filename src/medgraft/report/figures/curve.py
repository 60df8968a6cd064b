"""What a figure is told about one curve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BANDS = 3  # more bands than this in one figure hide one another


@dataclass(frozen=True)
class Band:
    """An interval around a curve.

    Attributes:
        x: Where it is given, shape (G,).
        low: Lower edge, shape (G,); NaN where it is undefined.
        high: Upper edge, shape (G,); NaN where it is undefined.
    """

    x: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class Curve:
    """Points of one class.

    Attributes:
        name: Whose curve it is.
        score: What its key says beside the name, such as "0.987"; may be empty.
        x: Shape (P,), in [0, 1].
        y: Shape (P,), in [0, 1].
        band: Interval around it, or None.
        point: Where the operating threshold lies on it, or None.
        chance: Height of a useless curve, where that is one number.
        stepped: Whether y holds from the point before up to each x.
    """

    name: str
    score: str
    x: np.ndarray
    y: np.ndarray
    band: Band | None = None
    point: tuple[float, float] | None = None
    chance: float | None = None
    stepped: bool = False


@dataclass(frozen=True)
class Reliability:
    """Probabilities of one class, in the B bins that hold images.

    Attributes:
        name: The class.
        score: Calibration error for the key; may be empty.
        left: Lower edge of each bin, shape (B,).
        width: Width of every bin.
        predicted: Mean probability of each bin, shape (B,).
        observed: Share of positives of each bin, shape (B,).
        low: Lower end of the interval of `observed`, shape (B,), or None.
        high: Its upper end, shape (B,), or None.
        counts: Images of each bin, shape (B,).
    """

    name: str
    score: str
    left: np.ndarray
    width: float
    predicted: np.ndarray
    observed: np.ndarray
    low: np.ndarray | None
    high: np.ndarray | None
    counts: np.ndarray
