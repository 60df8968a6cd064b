"""A prepared image as a picture, plain and under its heat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 192  # pixels of the longer side
ALPHA = 0.6  # of the heat over the image


@dataclass(frozen=True)
class Pair:
    """The picture of an image, and the same with its heat over it.

    Attributes:
        plain: As the network saw it.
        heated: With the heat over it: magma, from zero (black) to the hottest cell (pale).
        plane: Of a volume, the plane that both show, from 0; None for a flat image.
    """

    plain: Image
    heated: Image
    plane: int | None


def pair(image: np.ndarray, scale: int, heat: np.ndarray) -> Pair:
    """Draw an image and its heat; of a volume the plane through its hottest cell.

    Args:
        image: Stored integers, shape (C, H, W) or (C, D, H, W).
        scale: The integer that is white.
        heat: Zero or above, shape (h, w) or (d, h, w); every cell covers its share of the image.
    """
    peak = float(heat.max())
    plane = None
    if heat.ndim == 3:
        cell = int(heat.max(axis=(1, 2)).argmax())
        plane = int((cell + 0.5) * image.shape[1] / len(heat))
        image, heat = image[:, plane], heat[cell]
    plain = _picture(image, scale)
    return Pair(plain, _overlay(plain, heat / peak if peak > 0 else heat), plane)


def _picture(image: np.ndarray, scale: int) -> Image:
    from PIL import Image as Images

    values = (image.astype(np.float32) * (255 / scale)).round().astype(np.uint8)
    picture = Images.fromarray(values[0] if len(values) != 3 else values.transpose(1, 2, 0))
    factor = SIDE / max(picture.size)
    size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
    return picture.resize(size, Images.Resampling.BICUBIC)


def _overlay(picture: Image, heat: np.ndarray) -> Image:
    """`picture` under heat in [0, 1], laid over it between the middles of its cells."""
    import matplotlib as mpl
    from PIL import Image as Images

    spread = Images.fromarray(heat.astype(np.float32)).resize(
        picture.size, Images.Resampling.BILINEAR
    )
    colours = mpl.colormaps["magma"](np.asarray(spread), bytes=True)[..., :3]
    return Images.blend(
        picture.convert("RGB"), Images.fromarray(np.ascontiguousarray(colours)), ALPHA
    )
