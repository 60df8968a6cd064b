"""What is film on a scan, and how bright its air is: what lies beside the breast."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from medgraft.prepare.steps._film import otsu

BLACK = 0.004  # one of 255 steps: air that is darker was erased, or never exposed
DUST = 0.0005  # mean of a line that is black but for dust
SCRATCHES = 1 / 80  # share of a line that scratches light up at most where there is no film
BEGINS = 0.25  # share of the first line of a film that is lit at least
FEW = 32  # pixels, too few to know the air by
CONTRAST = 0.012  # of the breast's brightness: what its edge has over air at least


def film_box(small: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns of the film without the black padding around it.

    Scratches of the scanner cross the padding too, and where air is black the tip of a breast
    lights up as little of a line. A film begins at once, a breast by and by.
    """
    return _film_lines(small, along=1), _film_lines(small, along=0)


def _film_lines(small: np.ndarray, along: int) -> slice:
    """From the first to the last line of the film."""
    share, lit = (small > 0).mean(axis=along), small.mean(axis=along) > DUST
    if not lit.any():
        return slice(0, len(lit))
    whole = span(lit)
    film = span(share > SCRATCHES) if share.max() > SCRATCHES else whole
    start = film.start if share[film.start] > BEGINS else whole.start
    stop = film.stop if share[film.stop - 1] > BEGINS else whole.stop
    return slice(start, stop)


def span(lines: np.ndarray) -> slice:
    """From the first to the last of the lines that are True; one of them must be."""
    return slice(int(lines.argmax()), len(lines) - int(lines[::-1].argmax()))


def exposed(air: np.ndarray, film: np.ndarray) -> np.ndarray:
    """The part of air that is not pure black, if that is most of it: the rest is not film."""
    grey = air & (film > BLACK)
    return grey if 2 * grey.sum() > air.sum() else air


def air_limit(film: np.ndarray, excluded: np.ndarray | None = None) -> float:
    """What is brighter is not air: from the air of this very film, and its breast.

    Air is what is left well away from everything bright: nineteen in twenty of its pixels are
    darker than the limit, by a little of what the breast has over them.

    Args:
        film: The small copy.
        excluded: What does not count, such as white edges; shape of `film`.
    """
    if excluded is None:
        excluded = np.zeros(film.shape, bool)
    values = film[~excluded]
    if values.size == 0:
        return 1.0
    parted = otsu(np.sqrt(values)) ** 2  # of roots: air, skin and fat are stretched apart
    body = (film > parted) & ~excluded
    bright = float(np.median(film[body])) if body.any() else 1.0
    near = ndimage.maximum_filter(film > parted / 2, 1 + 2 * max(2, max(film.shape) // 24))
    air = film[exposed(~near & ~excluded, film)]
    if air.size < FEW:  # the breast fills the film, but for its corners
        air = np.sort(values)[: max(1, values.size // 50)]
    most = max(float(np.percentile(air, 95)), BLACK)
    return min(most + CONTRAST * bright, parted)
