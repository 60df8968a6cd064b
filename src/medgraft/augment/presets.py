"""Lists of augmentations that fit a kind of image, by name."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

PRESETS = MappingProxyType(
    {
        # The default set of fastai (spec C.3) without its flip: left and right differ in a chest.
        "films": (
            "rotate:degrees=10",
            "zoom:low=1,high=1.1",
            "translate:fraction=0.05",
            "brightness:low=0.4,high=0.6",
            "contrast:low=0.8,high=1.25",
        ),
        # Tissue has no up and no left.
        "patches": (
            "dihedral",
            "brightness:low=0.4,high=0.6",
            "contrast:low=0.8,high=1.25",
        ),
        # What SimCLR changes (Chen et al. 2020, arXiv:2002.05709), but less of it: a window of a
        # twelfth of a film shows nothing of what the rest shows. And as above nothing is mirrored.
        "strong": (
            "crop:low=0.6,p=1",
            "rotate:degrees=15",
            "brightness",
            "contrast:low=0.75,high=1.33",
            "saturation:low=0.5,high=2",
            "blur",
        ),
        "none": (),
    }
)
"""Specs by name: `films` (radiographs), `patches` (microscopy), `strong` (for contrast), `none`."""


def expand(specs: Sequence[str]) -> tuple[str, ...]:
    """Specs with every preset replaced by what it stands for.

    Examples:
        >>> expand(["patches", "blur"])
        ('dihedral', 'brightness:low=0.4,high=0.6', 'contrast:low=0.8,high=1.25', 'blur')
    """
    return tuple(spec for name in specs for spec in PRESETS.get(name, (name,)))
