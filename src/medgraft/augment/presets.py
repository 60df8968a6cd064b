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
        "none": (),
    }
)
"""Specs by name of the preset: `films` (radiographs), `patches` (microscopy), `none`."""


def expand(specs: Sequence[str]) -> tuple[str, ...]:
    """Specs with every preset replaced by what it stands for.

    Examples:
        >>> expand(["patches", "blur"])
        ('dihedral', 'brightness:low=0.4,high=0.6', 'contrast:low=0.8,high=1.25', 'blur')
    """
    return tuple(spec for name in specs for spec in PRESETS.get(name, (name,)))
