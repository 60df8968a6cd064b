"""Strips of tape along the sides of a film, also where the breast lies under them.

Tape dims or brightens what lies under it, so its inner edge is one straight, sharp step across the
whole breast, almost parallel to a side of the film. Folds of skin are neither straight nor
equally sharp from end to end.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from medgraft.prepare.steps._air import air_limit, film_box

THIN = 3  # rows: what is thinner is the edge of the film itself
DEEP = 0.16  # share of the film that a strip may reach inwards
STEP = 0.1  # least change at its edge, of logarithms: a tenth of the brightness
DARKEST = 0.02  # added before the logarithm, so that noise of black does not count
SHARP = 4  # rows over which it happens
REACH = 12  # rows that are looked at
REACHING = 0.75  # share of the rows from the film's edge to the step that are not air
MOST = 0.75  # share of the columns that are not air above it that must show the step
WIDTH = 0.3  # share of the film's width that these columns span at least
TILTS = np.linspace(-0.06, 0.06, 13)  # rows per column: up to three and a half degrees


def find_tape(small: np.ndarray, beyond: np.ndarray) -> np.ndarray:
    """The strips along all four sides, bool of the shape of `small`.

    Args:
        small: The small copy, values in [0, 1].
        beyond: What does not belong to the film, its white edges: tape may begin there.
    """
    found = np.zeros(small.shape, bool)
    box = film_box(small)
    film, out = small[box], beyond[box]
    if min(film.shape) < 32:
        return found
    limit = air_limit(film, out)
    smooth = ndimage.uniform_filter(np.where(out, 0, film), 3, mode="nearest")
    for turns in range(4):
        strip = _above(np.rot90(smooth, turns), limit, np.rot90(out, turns))
        found[box] |= np.rot90(strip, -turns)
    return found


def _above(film: np.ndarray, limit: float, beyond: np.ndarray) -> np.ndarray:
    """What lies above the innermost tape edge that runs along the upper side."""
    height, width = film.shape
    deep = int(DEEP * height)
    ahead, out = (
        np.pad(part[: 2 * deep + REACH], ((REACH // 2, 0), (0, 0)), mode="edge")
        for part in (film, beyond)
    )
    steps, lit = _steps(ahead, limit, out)
    if ((steps > STEP) & lit).any(axis=0).mean() < MOST * WIDTH:
        return np.zeros(film.shape, bool)  # whatever the tilt: on most films there is no tape
    columns = np.arange(width) - (width - 1) / 2
    shares = np.stack([_share(steps, lit, np.rint(tilt * columns)) for tilt in TILTS])
    shares = shares[:, :deep]
    rows = np.flatnonzero(shares.max(axis=0) >= MOST)
    if not rows.size:
        return np.zeros(film.shape, bool)
    first = max(rows[-1] - SHARP, 0)
    tilt, row = np.unravel_index(shares[:, first:].argmax(), shares[:, first:].shape)
    edge = first + row + 1 + np.rint(TILTS[tilt] * columns)
    return np.asarray(np.arange(height)[:, None] <= edge[None, :])


def _share(steps: np.ndarray, lit: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """For each row, the share of the columns that are lit above it which have a step there.

    Rows are tilted by `shift`; those with few lit columns, or at the very edge, have no share.
    """
    at = np.arange(len(steps))[:, None] + shift.astype(int)[None, :]
    within = (at >= 0) & (at < len(steps))
    at = at.clip(0, len(steps) - 1)
    counted = within & np.take_along_axis(lit, at, 0)
    count = counted.sum(axis=1)
    stepped = counted & (np.take_along_axis(steps, at, 0) > STEP)
    steps_there = np.maximum(stepped.sum(axis=1), 1)
    deep = np.where(stepped, at, 0).sum(axis=1) / steps_there >= THIN
    share = stepped.sum(axis=1) / np.maximum(count, 1)
    return np.where((count < WIDTH * len(shift)) | ~deep, 0, share)


def _steps(rows: np.ndarray, limit: float, out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How much brightness changes from one row to that `SHARP` below, where that may be tape's edge.

    Returns:
        The size of the step in logarithms, 0 where it is but a part of a slope or where air lies
        between it and the film's edge; and where there is breast or tape above it, not air. Number r stands for the step around row
        ``r + REACH // 2`` of `rows`.
    """
    logs = np.log(rows + DARKEST)
    change = np.abs(logs[SHARP:] - logs[:-SHARP])
    side = (REACH - SHARP) // 2
    here, before, after = change[side:-side], change[: -2 * side], change[2 * side :]
    lit = rows > limit
    share = (
        np.cumsum(lit | out, axis=0) / np.arange(1, len(rows) + 1)[:, None]
    )  # from the film's edge on
    sharp = (here > 2 * np.maximum(before, after)) & (share[side : side + len(here)] > REACHING)
    return np.where(sharp, here, 0), lit[side : side + len(here)]
