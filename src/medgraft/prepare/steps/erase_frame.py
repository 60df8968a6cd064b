"""Erase white film edges, the light box beside the film, and tape along its sides."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from medgraft.prepare.steps import Erasing, ground_of, step
from medgraft.prepare.steps._film import enlarged, reduced
from medgraft.prepare.steps._tape import find_tape
from medgraft.prepare.steps._white import WHITE, find_white_edges
from medgraft.read.scan import Scan

RIM = 1 / 512  # of the film's side, around what is white: there the scanner blurred its edge


@step("erase_frame")
class EraseFrame(Erasing):
    """Blacken what surrounds a scanned film where it may touch the breast.

    White edges are long, touch the border of the film and end in a cliff; they may be tilted.
    Tape along a side is found by its one straight edge across the breast, and goes with what
    lies under it, which cannot be judged. Everything that does not touch the breast is the
    business of `keep_breast`.
    """

    dims: ClassVar[frozenset[int]] = frozenset({2})
    tape: bool = True
    """Look for tape too."""

    def kept(self, scan: Scan) -> np.ndarray:
        """What is neither white edge nor tape, bool (rows, columns)."""
        small, shape = reduced(scan), scan.array.shape[1:]
        white = find_white_edges(small)
        lost = np.zeros(shape, bool)
        if white.any():
            rim = int(RIM * max(shape))
            lost |= enlarged(white, shape) & _grown(_white(scan), rim)
        if self.tape:
            lost |= enlarged(find_tape(small, white), shape)
        return ~lost


def _white(scan: Scan) -> np.ndarray:
    """Pixels as white as a film edge, on the grid of the film."""
    brightest = scan.array.max(axis=0)
    low = ground_of(scan)
    return np.asarray(brightest > low + WHITE * (float(brightest.max()) - low))


def _grown(mask: np.ndarray, rim: int) -> np.ndarray:
    """A mask with `rim` pixels around it, along rows and columns."""
    for _ in range(rim):
        wide = mask.copy()
        wide[1:] |= mask[:-1]
        wide[:-1] |= mask[1:]
        wide[:, 1:] |= mask[:, :-1]
        wide[:, :-1] |= mask[:, 1:]
        mask = wide
    return mask
