"""Fill dust and scratches of a scanned film."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np
from pydantic import Field
from scipy import ndimage

from medgraft.prepare.steps import Step, step
from medgraft.read.scan import Scan

FULL = 0.8  # share of a stretch that must be thin for the stretch to be a scratch


@step("mend_scratches", example="mend_scratches:least=1")
class MendScratches(Step):
    """Fill dark specks, and dark or bright lines along rows and columns, up to two pixels wide.

    Dark specks are dust, at any angle and length: what is darker than its surroundings by more than
    `depth` takes their value (a closing of 3 x 3 pixels). Bright specks may be calcifications and
    stay; bright lines go only where they are as straight and long as a scanner draws
    them. Pixels that are not mended keep their value to the bit.

    A small copy of a film is left alone: there a fibre is as thin as a scratch.
    """

    dims: ClassVar[frozenset[int]] = frozenset({2})
    mends: ClassVar[bool] = True
    depth: float = Field(0.1, gt=0, lt=1)
    """Least depth of a dark speck, as a share of the film's range."""
    line: float = Field(0.02, gt=0, lt=1)
    """Least contrast of a scratch along a row or column, as a share of the film's range."""
    length: float = Field(0.06, gt=0, le=1)
    """Least length of such a scratch, as a share of the film's side."""

    least: int = Field(512, ge=1)
    """Films whose longer side has fewer pixels are left alone."""

    def __call__(self, scan: Scan) -> Scan:
        """The scan without dust and straight scratches."""
        if max(scan.array.shape[1:]) < self.least:
            return scan
        array = np.stack([self._mended(channel) for channel in scan.array])
        return replace(scan, array=array)

    def _mended(self, grey: np.ndarray) -> np.ndarray:
        low, high = grey.min(), grey.max()
        unit = float(high) - float(low)
        if not unit > 0:
            return grey
        closed, opened = _filled(grey), _flattened(grey)
        dark, light = _apart(closed, grey), _apart(grey, opened)
        result = np.where(dark > self.depth * unit, closed, grey)
        for axis in (0, 1):
            run = max(8, round(self.length * grey.shape[axis]))
            result = np.where(_runs(dark > self.line * unit, axis, run), closed, result)
            result = np.where(_runs(light > self.line * unit, axis, run), opened, result)
        return result


def _apart(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """How far one array lies above another, nowhere below it, without wrapping round."""
    return above - below if above.dtype.kind == "u" else above - below.astype(np.float64)


def _filled(grey: np.ndarray) -> np.ndarray:
    """Closing of 3 x 3 pixels: dark things up to two pixels wide are gone."""
    return _over(_over(grey, np.maximum), np.minimum)


def _flattened(grey: np.ndarray) -> np.ndarray:
    """Opening of 3 x 3 pixels: bright things up to two pixels wide are gone."""
    return _over(_over(grey, np.minimum), np.maximum)


def _over(grey: np.ndarray, ufunc: np.ufunc) -> np.ndarray:
    """Maximum or minimum of the 3 x 3 pixels around each."""
    for axis in (0, 1):
        wide = np.pad(grey, [(1, 1) if a == axis else (0, 0) for a in (0, 1)], mode="edge")
        size = grey.shape[axis]
        first, middle, last = (wide[_from(start, size, axis)] for start in range(3))
        grey = ufunc(ufunc(first, middle), last)
    return grey


def _from(start: int, size: int, axis: int) -> tuple[slice, ...]:
    stretch = slice(start, start + size)
    return (stretch, slice(None)) if axis == 0 else (slice(None), stretch)


def _runs(thin: np.ndarray, axis: int, run: int) -> np.ndarray:
    """Where thin pixels follow one another along an axis over `run` pixels, gaps allowed."""
    found = np.zeros(thin.shape, bool)
    enough = np.flatnonzero(thin.sum(axis=axis) >= FULL * run)
    for line in enough:  # one in a hundred at most, except in noise
        pixels = thin.take(line, axis=1 - axis)
        share = ndimage.uniform_filter1d(pixels.astype(np.float32), run, mode="constant")
        middle = ndimage.maximum_filter1d(share >= FULL, run)
        if axis == 0:
            found[:, line] = middle & pixels
        else:
            found[line] = middle & pixels
    return found
