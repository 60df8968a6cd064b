"""Draw, then apply: random changes to batches of images and their masks, in 2-D and 3-D."""

from medgraft.augment.augmenter import Augmenter
from medgraft.augment.draw import Draw
from medgraft.augment.presets import PRESETS, expand

__all__ = ["PRESETS", "Augmenter", "Draw", "expand"]
