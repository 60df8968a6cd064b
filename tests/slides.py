"""Tiny whole slides: a pyramid of tiled pictures, tissue on white glass."""

import numpy as np
import tifffile


def picture(rows=512, columns=768, seed=0):
    """White glass with a square of stained tissue from (64, 128) to (320, 512)."""
    rng = np.random.default_rng(seed)
    image = rng.integers(240, 250, (rows, columns, 1), dtype=np.uint8).repeat(3, axis=2)
    tissue = np.array([180, 60, 140]) + rng.integers(-9, 9, (256, 384, 3))
    image[64:320, 128:512] = tissue
    return image


def slide(path, image, levels=4, tile=64, **options):
    """Write a pyramid whose levels halve; a picture of the glass's label follows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tifffile.TiffWriter(path, bigtiff=True) as file:
        for level in range(levels):
            part = np.ascontiguousarray(image[:: 2**level, :: 2**level])
            file.write(
                part,
                tile=(tile, tile),
                photometric="rgb",
                subfiletype=int(level > 0),
                metadata=None,
                **options,
            )
        file.write(image[:40, :32].copy(), photometric="rgb", metadata=None)
    return path
