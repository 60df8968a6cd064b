"""Whether neighbours show the same anatomy: their crops against crops of any scans."""

from __future__ import annotations

import numpy as np

from medgraft.pretext.discovery.crops import Crops
from medgraft.seeds import generator
from medgraft.train.batches import Images

MOST = 20  # scans of each kind per pattern


def likeness(
    store: Images,
    scans: np.ndarray,
    start: tuple[int, ...],
    crop: tuple[int, ...],
    others: np.ndarray,
    *,
    seed: int,
) -> tuple[float, float]:
    """Mean correlation with the reference's crop: of its neighbours' crops, and of any scans'.

    Correlation over pixels, from -1 to 1; a crop of one value has 0. Both are taken at the same
    place, so what they differ by is what the descriptors add to the place.

    Args:
        store: Where the scans lie.
        scans: Rows of the store of the pattern's scans, the reference first.
        start: First pixel of the crops.
        crop: Their sides.
        others: Rows of the store to draw any scans from, all of which show something there; the
            reference is left out.
        seed: Of the draw.
    """
    near = scans[1 : MOST + 1]
    free = others[others != scans[0]]
    draw = generator(seed, "likeness")
    drawn = draw.choice(free, min(len(free), MOST), replace=False)
    rows = np.concatenate([scans[:1], near, drawn])
    starts, sides = (np.tile(values, (len(rows), 1)) for values in (start, crop))
    images = Crops(store, rows, starts, sides, crop).gather(np.arange(len(rows)))
    found = correlations(images[0], images[1:])
    return float(found[: len(near)].mean()), float(found[len(near) :].mean())


def correlations(image: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Pearson's correlation over pixels of one image with each of others; 0 where undefined.

    Examples:
        >>> correlations(np.array([0, 1, 2]), np.array([[1, 3, 5], [2, 1, 0], [4, 4, 4]])).tolist()
        [1.0, -1.0, 0.0]
    """
    flat = others.reshape(len(others), -1).astype(np.float64)
    flat -= flat.mean(axis=1, keepdims=True)
    own = image.reshape(-1).astype(np.float64)
    own -= own.mean()
    sizes = np.linalg.norm(flat, axis=1) * np.linalg.norm(own)
    found = np.divide(flat @ own, sizes, out=np.zeros(len(flat)), where=sizes > 0)
    return np.asarray(found.round(12))
