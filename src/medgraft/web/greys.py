"""The values of a scan as a browser gets them: 8 or 16 bits, and which of them to show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medgraft.read import Scan

SAMPLE = 2**20  # values that percentiles are taken of
TAILS = (0.5, 99.5)  # per cent; a burned-in marker or a hot pixel must not choose the window
CT = {"lung": (-1350.0, 150.0), "soft tissue": (-160.0, 240.0), "bone": (-450.0, 1050.0)}


@dataclass(frozen=True)
class Window:
    """Which values to show.

    Attributes:
        name: For people.
        low: Shown as black.
        high: Shown as white.
    """

    name: str
    low: float
    high: float


@dataclass(frozen=True)
class Coding:
    """How values become whole numbers of 8 or 16 bits: ``value = slope * code + intercept``.

    Attributes:
        bits: 8 or 16.
        slope: Above zero.
        intercept: Value of code 0.
        colour: Whether the three channels are red, green and blue; else each is a grey image.
        gaps: Whether some values are no numbers; they are sent as code 0.
    """

    bits: int
    slope: float
    intercept: float
    colour: bool
    gaps: bool

    def encode(self, values: np.ndarray) -> np.ndarray:
        """Values of the scan as uint8 or uint16, of the same shape."""
        kind = np.uint8 if self.bits == 8 else np.uint16
        if values.dtype == kind and (self.slope, self.intercept) == (1.0, 0.0):
            return values
        whole = values.dtype.kind in "iu" and self.slope == 1.0
        if whole:
            return (values.astype(np.int64) - int(self.intercept)).astype(kind)
        codes = np.rint((values.astype(np.float64) - self.intercept) / self.slope)
        codes = np.where(np.isfinite(values), codes, np.where(values > 0, 2**self.bits - 1, 0))
        return codes.clip(0, 2**self.bits - 1).astype(kind)


def coding(scan: Scan) -> Coding:
    """The coding that loses least: none at all of integers that span no more than 16 bits.

    Colours are sent with 8 bits. What spans more, and floats, are sent in 65,536 steps between
    the least and the greatest finite value.
    """
    array = scan.array
    if array.dtype == np.uint8:
        return Coding(8, 1.0, 0.0, colour=_is_colour(scan), gaps=False)
    low, high, gaps = _ends(array)
    if _is_colour(scan):
        low, high = scan.value_range or (low, high)
        return Coding(8, (high - low) / 255 or 1.0, low, colour=True, gaps=gaps)
    if array.dtype.kind in "iub" and high - low <= 65535:
        return Coding(8 if high - low <= 255 else 16, 1.0, low, colour=False, gaps=False)
    return Coding(16, (high - low) / 65535 or 1.0, low, colour=False, gaps=gaps)


def windows(scan: Scan, asked: tuple[float, float] | None = None) -> tuple[Window, ...]:
    """Ways to show the values, the usual one first.

    Pictures of 8 bits were made to be shown as they are, unless they use few of their values.

    Args:
        scan: The scan.
        asked: The window that its file asks for, if it does.
    """
    low, high, _ = _ends(scan.array)
    whole = scan.value_range if scan.array.dtype == np.uint8 else None
    low, high = whole or (low, high)
    everything = Window("all values", low, high if high > low else low + 1)
    if _is_colour(scan):
        return (everything,)
    middle = Window("middle 99 %", *_middle(scan.array))
    ct = [Window(name, *ends) for name, ends in CT.items()] if scan.modality == "CT" else []
    told = [Window("as the file asks", *asked)] if asked and asked[0] < asked[1] else []
    ready = whole is not None and middle.high - middle.low > (high - low) / 2
    rest = [everything, middle] if ready else [middle, everything]
    return (*told, *ct, *(one for one in rest if one is everything or _differs(one, everything)))


def _differs(one: Window, other: Window) -> bool:
    return one.low < one.high and (one.low, one.high) != (other.low, other.high)


def _is_colour(scan: Scan) -> bool:
    """Three channels of a file that declares its range; three time points are of any range."""
    return scan.channels == 3 and scan.value_range is not None


def _ends(array: np.ndarray) -> tuple[float, float, bool]:
    """Least and greatest finite value, and whether there are others."""
    if array.dtype.kind != "f":
        return float(array.min()), float(array.max()), False
    finite = np.isfinite(array)
    if not finite.any():
        return 0.0, 0.0, True
    low = float(np.min(array, where=finite, initial=np.inf))
    high = float(np.max(array, where=finite, initial=-np.inf))
    return low, high, not bool(finite.all())


def _middle(array: np.ndarray) -> tuple[float, float]:
    values = array.reshape(-1)[:: max(1, array.size // SAMPLE)]
    values = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    if not values.size:
        return 0.0, 0.0
    low, high = np.percentile(values, TAILS)
    return float(low), float(high)


def reduced(codes: np.ndarray, factor: int) -> np.ndarray:
    """An image made smaller by averaging blocks; the last row and column may stand for fewer.

    Args:
        codes: Whole numbers, shape (rows, columns) or (rows, columns, 3).
        factor: Pixels per side of a block.

    Examples:
        >>> reduced(np.array([[0, 2, 9], [4, 6, 9]], np.uint8), 2)
        array([[3, 9]], dtype=uint8)
    """
    if factor == 1:
        return codes
    sums, counts = codes.astype(np.uint32), np.ones(codes.shape[:2], np.uint32)
    for axis in (0, 1):
        starts = np.arange(0, codes.shape[axis], factor)
        sums = np.add.reduceat(sums, starts, axis=axis, dtype=np.uint32)
        counts = np.add.reduceat(counts, starts, axis=axis, dtype=np.uint32)
    shaped = counts.reshape(counts.shape + (1,) * (codes.ndim - 2))
    mean: np.ndarray = ((sums + shaped // 2) // shaped).astype(codes.dtype)
    return mean
