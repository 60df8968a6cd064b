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
        # The set of SimCLR (Chen et al. 2020, arXiv:2002.05709): a window, other greys and colours,
        # another sharpness. Its window may be a twelfth of the picture, too little of a film to show
        # what the rest shows; and as above nothing is mirrored.
        "strong": (
            "crop:low=0.4,p=1",
            "rotate:degrees=15",
            "brightness:low=0.35,high=0.65",
            "contrast:low=0.6,high=1.7",
            "saturation:low=0.4,high=2.5",
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
