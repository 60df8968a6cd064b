"""What lies inside an outline."""

from __future__ import annotations

import numpy as np

MOST = 2**24  # pixels along an outline; one of a whole film has some thousand


def filled(outline: np.ndarray, shape: tuple[int, int]) -> tuple[slice, slice, np.ndarray]:
    """The pixels on and inside an outline.

    Its points are joined by straight lines, the last one to the first.

    Args:
        outline: Shape (N, 2), whole numbers: column and row of points in order.
        shape: Rows and columns of the image.

    Returns:
        Rows and columns of the smallest box around it, and the pixels of that box, bool.

    Raises:
        ValueError: If it leaves the image, or is longer than `MOST` pixels.

    Examples:
        >>> rows, columns, inside = filled(np.array([(1, 1), (4, 1), (1, 4)]), (9, 9))
        >>> inside.astype(int)
        array([[1, 1, 1, 1],
               [1, 1, 1, 0],
               [1, 1, 0, 0],
               [1, 0, 0, 0]])
    """
    from scipy import ndimage

    low, high = outline.min(axis=0), outline.max(axis=0)
    if (low < 0).any() or (high >= shape[::-1]).any():
        raise ValueError(
            f"an outline reaches from column {low[0]}, row {low[1]} to column {high[0]}, row"
            f" {high[1]}, outside of the {shape[0]} x {shape[1]} pixels of the image"
        )
    points = _joined(outline) - low + 1
    edge = np.zeros(tuple(high[::-1] - low[::-1] + 3), dtype=bool)  # a margin that is outside
    edge[points[:, 1], points[:, 0]] = True
    parts, _ = ndimage.label(~edge)  # four neighbours: no way through a line of eight
    inside = parts != parts[0, 0]
    rows, columns = (slice(int(low[k]), int(high[k]) + 1) for k in (1, 0))
    return rows, columns, inside[1:-1, 1:-1]


def _joined(outline: np.ndarray) -> np.ndarray:
    """The points with all that lie on the straight lines between them."""
    ways = np.roll(outline, -1, axis=0) - outline
    counts = np.maximum(np.abs(ways).max(axis=1), 1)
    if (total := int(counts.sum())) > MOST:
        raise ValueError(f"an outline of {total} pixels is longer than any: at most {MOST}")
    part = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
    share = part / np.repeat(counts, counts)
    points = np.repeat(outline, counts, axis=0) + np.repeat(ways, counts, axis=0) * share[:, None]
    pixels: np.ndarray = np.rint(points).astype(np.int64)
    return pixels
