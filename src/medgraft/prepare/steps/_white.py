"""White film edges, and the light box beside a film."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from medgraft.prepare.steps._air import film_box

WHITE = 0.93  # of the brightest pixel: film edge, light box or tape, unless it is dense tissue
LONG = 0.25  # share of the film's side that a white edge spans; a marker is shorter
CLIFF = 0.1  # least fall within two pixels at the edge of what is not tissue


def find_white_edges(small: np.ndarray) -> np.ndarray:
    """White film edges and the light box beside the film, with their soft rims.

    They are long, touch the film's border and end in a cliff. Dense tissue may be as white, but
    ends in a slope; a marker is short, and is left to `keep_breast`.
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
