"""Find lines of printed characters that were burned into an image.

Characters are thin strokes that stand out from what lies around them, are about equally tall and
equally bright, and stand on one line at the distance of characters. Nothing is read: what a line
says is nobody's business here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

SIDE = 1024  # larger images are averaged down to it; smaller print than 6 pixels there is not found
STROKE = 9  # pixels; what is wider than a stroke is no character
AROUND = 65  # pixels; how far a stroke is compared with the texture around it
LEAST, TIMES = 0.06, 3.0  # of the range of the image, and of the texture around
TALL = (6, 60)  # pixels
CHARACTERS = 4  # a line has at least so many: "R", "L" and "MLO" are no person

Box = tuple[int, int, int, int]


def find_lines(image: np.ndarray) -> list[Box]:
    """Boxes of the lines of characters in a picture, upright or turned by a right angle.

    Args:
        image: Height x width, or channels x height x width; any values.

    Returns:
        First row, first column, and the row and column after the last, in pixels of `image`.

    Examples:
        >>> find_lines(np.zeros((64, 64)))
        []
    """
    grey = np.nan_to_num(np.asarray(image, dtype=np.float32))
    grey = grey.mean(axis=0) if grey.ndim == 3 else grey
    step = max(1, -(-max(grey.shape) // SIDE))
    if min(grey.shape) < TALL[0] * step:
        return []
    height, width = (size // step * step for size in grey.shape)
    grey = grey[:height, :width].reshape(height // step, step, width // step, step).mean((1, 3))
    low, high = np.percentile(grey, [0.5, 99.5])
    if high <= low:  # characters alone, on nothing
        low, high = grey.min(), grey.max()
    if high <= low:
        return []
    grey = np.clip((grey - low) / (high - low), 0, 1)
    found = [box for shown in (grey, 1 - grey) for box in _bright(shown)]
    return sorted({_scaled(box, step) for box in found})


def _scaled(box: np.ndarray, step: int) -> Box:
    top, left, bottom, right = (int(edge) * step for edge in box)
    return top, left, bottom, right


def _bright(image: np.ndarray) -> list[np.ndarray]:
    """Lines of characters that are brighter than their ground."""
    from scipy import ndimage

    ink = image - ndimage.grey_opening(image, size=(STROKE, STROKE))
    texture = ndimage.uniform_filter(ink, AROUND, mode="reflect")
    labels, count = ndimage.label(ink > np.maximum(LEAST, TIMES * texture), np.ones((3, 3)))
    if count < CHARACTERS:
        return []
    area = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    strength = np.bincount(labels.ravel(), ink.ravel(), count + 1)[1:] / area
    places = ndimage.find_objects(labels)
    boxes = np.array([[r.start, c.start, r.stop, c.stop] for r, c in places])
    turned = [1, 0, 3, 2]
    across = _lines(boxes[:, turned], area, strength)
    return _lines(boxes, area, strength) + [box[turned] for box in across]


def _lines(boxes: np.ndarray, area: np.ndarray, strength: np.ndarray) -> list[np.ndarray]:
    """Boxes of what stands in rows as characters do."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    height, width = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    filled = area / (height * width)
    upright = (height >= TALL[0]) & (height <= TALL[1]) & (width <= 1.6 * height)
    shaped = (filled >= 0.15) & ((filled <= 0.9) | (width <= 0.35 * height))  # "l" is a full box
    keep = upright & shaped
    if keep.sum() < CHARACTERS:
        return []
    boxes = boxes[keep]
    one, other = _neighbours(boxes, height[keep], strength[keep])
    graph = coo_matrix((np.ones(len(one)), (one, other)), shape=(len(boxes),) * 2)
    _, line = connected_components(graph, directed=False)
    return [
        np.concatenate([boxes[line == n, :2].min(axis=0), boxes[line == n, 2:].max(axis=0)])
        for n in np.flatnonzero(np.bincount(line) >= CHARACTERS)
    ]


def _neighbours(boxes: np.ndarray, height: np.ndarray, strength: np.ndarray) -> tuple[Any, Any]:
    """Pairs of equally tall and bright shapes, side by side on one base line."""
    from scipy.spatial import cKDTree

    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    one, other = cKDTree(centres).query_pairs(1.5 * TALL[1], output_type="ndarray").T
    low, high = np.minimum(height[one], height[other]), np.maximum(height[one], height[other])
    apart = np.maximum(boxes[one, 1], boxes[other, 1]) - np.minimum(boxes[one, 3], boxes[other, 3])
    base = np.abs(boxes[one, 2] - boxes[other, 2])
    faint = np.minimum(strength[one], strength[other])
    bright = np.maximum(strength[one], strength[other])
    side_by_side = (apart >= 0) & (apart <= low) & (base <= np.maximum(1, 0.15 * low))
    alike = (high <= 1.35 * low) & (faint > 0.6 * bright)
    return one[side_by_side & alike], other[side_by_side & alike]
