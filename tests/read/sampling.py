"""A tiny file of some format, written by another program, and what must be read from it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np


class Sample(NamedTuple):
    path: Path
    array: np.ndarray  # (C, *spatial)
    spacing_mm: tuple[float, ...] | None = None


def ramp(*shape: int, kind: str = "int16") -> np.ndarray:
    """Values that differ everywhere and along every axis, reaching the second byte."""
    values = np.arange(np.prod(shape)) * 37 % (250 if np.dtype(kind).itemsize == 1 else 4001)
    return values.reshape(shape).astype(kind)
