"""Where the breast lies on a film, and what lies on the film besides it.

All functions look at the small copy that `medgraft.prepare.steps._film.reduced` makes: values from 0
(the darkest that the film can be) to 1 (its brightest pixel), lengths in pixels of that copy.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from medgraft.prepare.steps._film import disc, largest, otsu
from medgraft.prepare.steps._tape import find_tape

EMPTY = 0.004  # one of 255 steps: air that is darker was erased, or never exposed
PADDING = 0.0005  # a line darker than this on average is padding
FEW = 32  # pixels, too few to know the air by
CONTRAST = 0.012  # of the breast's brightness: what skin has over air at least
DISTINCT = 4.0  # times the grain: what a breast stands out by at least
SNAP = 3  # radius of the disc that breaks bridges between breast and marker
# Times the level of air, where letters and markers stand apart, and how bright these are at least:
# at the higher level parts of a breast may stand apart too, but they are not white.
CLEAR = ((2.5, 0.0), (5.0, 0.6))
GLOW = 8.0  # how far the glow of a marker reaches
WHITE = 0.93  # of the brightest pixel: film edge, light box or tape, unless it is dense tissue
LONG = 0.25  # share of the film's side that a white edge spans; a marker is shorter
CLIFF = 0.1  # least fall within two pixels at the edge of what is not tissue


def film_box(small: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns of the film without the black padding around it."""
    rows, columns = (small.mean(axis=axis) > PADDING for axis in (1, 0))
    if not rows.any():
        return slice(0, small.shape[0]), slice(0, small.shape[1])
    return _span(rows), _span(columns)


def _span(lines: np.ndarray) -> slice:
    return slice(int(lines.argmax()), len(lines) - int(lines[::-1].argmax()))


def find_white_edges(small: np.ndarray) -> np.ndarray:
    """White film edges and the light box beside the film, with their soft rims.

    They are long, touch the film's border and end in a cliff. Dense tissue may be as white, but
    ends in a slope; a marker is short, and is left to `find_breast`.
    """
    found = np.zeros(small.shape, bool)
    box = film_box(small)
    film = small[box]
    labels, count = ndimage.label(film > WHITE)
    if not count:
        return found
    edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    near, ring = (ndimage.maximum_filter(labels, size) for size in (5, 7))
    beyond = np.where(near == 0, ring, 0)
    places = ndimage.find_objects(labels)
    for number in np.unique(edge[edge > 0]):
        sides = [
            (place.stop - place.start) / size
            for place, size in zip(places[number - 1], film.shape, strict=True)
        ]
        around = film[beyond == number]
        cliff = around.size == 0 or WHITE - np.percentile(around, 75) > CLIFF
        if max(sides) > LONG and cliff:
            found[box] |= near == number
    return found


def find_tape_edges(small: np.ndarray, excluded: np.ndarray) -> np.ndarray:
    """Strips of tape along the sides of the film, inside of what is `excluded`."""
    found = np.zeros(small.shape, bool)
    box = film_box(small)
    film, out = small[box], excluded[box]
    found[box] = find_tape(film, dark_limit(film, out), out)
    return found


def dark_limit(film: np.ndarray, excluded: np.ndarray) -> float:
    """What is brighter is not air: from the air of this very film, and its breast.

    Air is what is left well away from everything bright: nineteen in twenty of its pixels are
    darker than the limit, by what the faintest skin line has over them.
    """
    values = film[~excluded]
    if values.size == 0:
        return 1.0
    parted = otsu(np.sqrt(values)) ** 2  # of roots: air, skin and fat are stretched apart
    body = (film > parted) & ~excluded
    bright = float(np.median(film[body])) if body.any() else 1.0
    near = ndimage.maximum_filter(film > parted / 2, 1 + 2 * max(2, max(film.shape) // 24))
    air = film[~near & ~excluded]
    if air.size < FEW:  # the breast fills the film, but for its corners
        air = np.sort(values)[: max(1, values.size // 50)]
    most = float(np.percentile(air, 95))
    if most < EMPTY:
        return EMPTY
    return min(most + CONTRAST * bright, parted)


def find_breast(small: np.ndarray, excluded: np.ndarray) -> np.ndarray:
    """The breast: the largest bright part that is not `excluded`, free of what hangs on by a thread.

    Returns:
        bool, shape of `small`; all False where there is none.
    """
    box = film_box(small)
    film, out = small[box], excluded[box]
    smooth = ndimage.uniform_filter(film, 3, mode="nearest")
    found = np.zeros(small.shape, bool)
    if not smooth.max() > 0 or np.ptp(film) < 0.05:
        return found
    limit = dark_limit(smooth, out)
    if _grainy(film, smooth, limit, out):
        return found
    foreign = _foreign(smooth, limit, out)
    bright = (smooth > limit) & ~out
    found[box] = _body(bright & ~foreign, out | foreign)
    return found


def _reaching(mask: np.ndarray, film: np.ndarray, least: float) -> np.ndarray:
    """The connected parts of a mask in which the film is somewhere as bright as `least`."""
    labels, count = ndimage.label(mask)
    if not count:
        return mask
    peaks = ndimage.maximum(film, labels, np.arange(count + 1))
    peaks[0] = -1
    return np.asarray(peaks[labels] >= least)


def _grainy(film: np.ndarray, smooth: np.ndarray, limit: float, excluded: np.ndarray) -> bool:
    """Whether what is bright stands out from the rest by no more than grain does: an empty film."""
    lit, dark = film[(smooth > limit) & ~excluded], film[(smooth <= limit) & ~excluded]
    if not lit.size or not dark.size:
        return False
    grain = 1.4826 * float(np.median(np.abs(film - smooth)))
    return bool(np.median(lit) - np.median(dark) < DISTINCT * grain)


def _foreign(film: np.ndarray, limit: float, excluded: np.ndarray) -> np.ndarray:
    """What lies nearer to a marker or a letter than to the breast: they, and the glow around them.

    They stand apart from the breast at levels above the glow of air, where the skin is not seen
    yet; what is faint then belongs to the nearer of the two.
    """
    foreign = np.zeros(film.shape, bool)
    for level, least in CLEAR:
        high = (film > level * limit) & ~excluded
        core = largest(high)
        others = _reaching(high & ~core, film, least)
        if others.any() and core.any():
            to_core = ndimage.distance_transform_edt(~core)
            to_others = ndimage.distance_transform_edt(~others)
            foreign |= (to_others <= to_core) & (to_others <= GLOW)
    return foreign


def _body(bright: np.ndarray, excluded: np.ndarray) -> np.ndarray:
    """The largest part after bridges were broken, its holes filled and its corners back."""
    radius = min(SNAP, max(1, min(bright.shape) // 32))
    wide = np.pad(bright, radius, mode="edge")  # the chest wall has corners at the film's edge
    opened = ndimage.binary_opening(wide, disc(radius))
    body = largest(opened[radius:-radius, radius:-radius])
    if not body.any():
        return body
    body = ndimage.binary_dilation(body, disc(radius)) & bright
    body = ndimage.binary_fill_holes(largest(body))
    return np.asarray(body | (ndimage.binary_dilation(body) & ~excluded))


def chest_is_left(small: np.ndarray) -> bool:
    """Whether the chest wall lies to the left: there the breast is widest.

    Compares what is brighter than air in the left and the right third of what is brighter than
    air; alike on both sides counts as left.
    """
    body = small > dark_limit(small, np.zeros(small.shape, bool))
    columns = body.sum(axis=0)
    if not columns.any():
        return True
    columns = columns[_span(columns > 0)]
    third = max(1, len(columns) // 3)
    return bool(columns[:third].sum() >= columns[-third:].sum())
