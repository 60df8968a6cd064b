"""Many small images on one sheet."""

from __future__ import annotations

import numpy as np

WHITE = 255
GAP = 2  # pixels


def sheet(images: np.ndarray, *, across: int) -> np.ndarray:
    """Images side by side, row by row, with white gaps between them.

    Args:
        images: uint8, shape (N, C, H, W), C being 1 or 3, N at least 1.
        across: Images in a row.

    Returns:
        uint8 (rows, columns) or (rows, columns, 3).

    Examples:
        >>> sheet(np.zeros((3, 1, 2, 2), np.uint8), across=2).shape
        (6, 6)
    """
    count, channels, high, wide = images.shape
    down = -(-count // across)
    paper = np.full(
        (channels, down * (high + GAP) - GAP, across * (wide + GAP) - GAP), WHITE, np.uint8
    )
    for place, image in enumerate(images):
        top, left = (place // across) * (high + GAP), (place % across) * (wide + GAP)
        paper[:, top : top + high, left : left + wide] = image
    return paper[0] if channels == 1 else paper.transpose(1, 2, 0)
