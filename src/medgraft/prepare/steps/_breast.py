"""Where the breast lies on a film, and on which side its chest wall.

All functions look at the small copy that `medgraft.prepare.steps._film.reduced` makes: values from 0
(the darkest that the film can be) to 1 (its brightest pixel), lengths in pixels of that copy,
0.7 to 1 mm on films of the usual sizes.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from medgraft.prepare.steps._air import FEW, air_limit, exposed, film_box, span
from medgraft.prepare.steps._film import disc, largest

DISTINCT = 4.0  # times the grain: what a breast stands out by at least
SNAP = 3  # radius of the disc that breaks bridges between breast and marker

# Times the limit of air, where letters and markers stand apart, and how bright these are at least:
# at the higher level parts of a breast may stand apart too, but they are not white.
CLEAR = ((2.5, 0.0), (5.0, 0.6))
GLOW = 8.0  # how far the glow of a marker reaches
CLOSE = 5.0  # as near to the breast, a part is a fold or wart of its skin,
BRIGHT = 5.5  # unless it is brighter: times the limit of air

SKIN = 5  # how far the skin is followed outwards at once,
ROUNDS = 3  # and how often: as far in all as the outline was ever seen to miss
AIR = 8  # width of the ring beyond, by which air is judged
RIM = 2  # of the film, where the scanner blurred it
FAINT = 0.006  # one and a half of 255 steps: what skin has over the air around it at least
NOISE = 3.0  # times the noise of air: likewise
SPUR = 0.4  # share of the pixels around one of the outline that are breast, if it is no spur


def find_breast(small: np.ndarray) -> np.ndarray:
    """The breast with its skin: the largest bright part, free of what hangs on by a thread.

    Returns:
        bool, shape of `small`; all False where there is none.
    """
    box = film_box(small)
    film = small[box]
    smooth = ndimage.uniform_filter(film, 3, mode="nearest")
    found = np.zeros(small.shape, bool)
    if not smooth.max() > 0 or np.ptp(film) < 0.05:
        return found
    limit = air_limit(smooth)
    if _grainy(film, smooth, limit):
        return found
    foreign = _foreign(smooth, limit)
    breast = _body((smooth > limit) & ~foreign)
    for _ in range(ROUNDS if breast.any() else 0):
        breast = _with_skin(breast, smooth, foreign)
    found[box] = breast
    whole = film_box(np.where(found, small, 0))  # what is thinner would go when it is done again
    kept = np.zeros_like(found)
    kept[whole] = found[whole]
    return kept


def _grainy(film: np.ndarray, smooth: np.ndarray, limit: float) -> bool:
    """Whether what is bright stands out from the rest by no more than grain does: an empty film."""
    lit, dark = film[smooth > limit], film[smooth <= limit]
    if not lit.size or not dark.size:
        return False
    grain = 1.4826 * float(np.median(np.abs(film - smooth)))
    return bool(np.median(lit) - np.median(dark) < DISTINCT * grain)


def _foreign(film: np.ndarray, limit: float) -> np.ndarray:
    """What lies nearer to a marker or a letter than to the breast: they, and the glow around them.

    They stand apart from the breast at levels above the glow of air, where the skin is not seen
    yet; what is faint then belongs to the nearer of the two. Parts of the body stand apart too: a
    speck on the skin is close and faint, a fold of the armpit touches the chest wall.
    """
    foreign = np.zeros(film.shape, bool)
    for level, least in CLEAR:
        high = film > level * limit
        core = largest(high)
        labels, count = ndimage.label(high & ~core)
        if not count:
            continue
        to_core = ndimage.distance_transform_edt(~core)
        speck = _holds(labels, to_core <= CLOSE) & ~_holds(labels, film >= BRIGHT * limit)
        fold = _holds(labels, _chest_wall(core))
        others = _holds(labels, film >= least) & ~speck & ~fold
        if others.any():
            to_others = ndimage.distance_transform_edt(~others[labels])
            foreign |= (to_others <= to_core) & (to_others <= GLOW)
    return foreign


def _holds(labels: np.ndarray, where: np.ndarray) -> np.ndarray:
    """For each number of `labels` whether its part has a pixel in `where`; False for 0."""
    found = np.zeros(labels.max() + 1, bool)
    found[labels[where]] = True
    found[0] = False
    return found


def _chest_wall(core: np.ndarray) -> np.ndarray:
    """The side of the film along which the breast lies longer."""
    wall = np.zeros(core.shape, bool)
    wall[:, 0 if core[:, 0].sum() >= core[:, -1].sum() else -1] = True
    return wall


def _body(bright: np.ndarray) -> np.ndarray:
    """The largest part after bridges were broken, its holes filled and its corners back."""
    radius = min(SNAP, max(1, min(bright.shape) // 32))
    # Beyond the film the breast goes on, and a line along the film's very edge does not.
    wide = np.pad(bright, radius, mode="reflect")
    opened = ndimage.binary_opening(wide, disc(radius))
    body = largest(opened[radius:-radius, radius:-radius])
    if not body.any():
        return body
    body = ndimage.binary_dilation(body, disc(radius)) & bright
    return np.asarray(ndimage.binary_fill_holes(largest(body)))


def _with_skin(breast: np.ndarray, film: np.ndarray, foreign: np.ndarray) -> np.ndarray:
    """The breast grown outwards to where the film is no brighter than the air around it.

    One limit for a whole film cuts the faint skin where air is darker than elsewhere. Here
    the air counts that lies beyond the skin, place by place; where the breast leaves none, all
    of it.
    """
    away = ndimage.distance_transform_edt(~breast)
    air = (away > SKIN + 1) & (away <= SKIN + AIR) & ~foreign
    air &= ndimage.binary_erosion(np.ones(film.shape, bool), iterations=RIM)
    air = exposed(air, film)
    if air.sum() < FEW:
        return breast
    weight = ndimage.uniform_filter(air.astype(np.float32), 2 * AIR + 1)
    level = ndimage.uniform_filter(np.where(air, film, 0), 2 * AIR + 1)
    some = weight > 0.01
    level = np.divide(level, weight, out=np.full_like(level, np.median(film[air])), where=some)
    noise = 1.4826 * float(np.median(np.abs(film - level)[air]))
    skin = (film > level + max(FAINT, NOISE * noise)) & ~foreign
    grown = ndimage.binary_dilation(breast, iterations=SKIN, mask=skin | breast)
    share = ndimage.uniform_filter(grown.astype(np.float32), 7, mode="nearest")
    return np.asarray(breast | (grown & (share > SPUR)))


def chest_is_left(small: np.ndarray) -> bool:
    """Whether the chest wall lies to the left: there the breast is widest.

    Compares what is brighter than air in the left and the right third of the upper half of what is
    brighter than air: below the breast, film is bare at the chest wall too. Alike on both sides
    counts as left.
    """
    body = small > air_limit(small)
    rows = body.any(axis=1)
    if not rows.any():
        return True
    body = body[span(np.asarray(rows))]
    columns = body[: (len(body) + 1) // 2].sum(axis=0)
    columns = columns[span(columns > 0)]
    third = max(1, len(columns) // 3)
    return bool(columns[:third].sum() >= columns[-third:].sum())
