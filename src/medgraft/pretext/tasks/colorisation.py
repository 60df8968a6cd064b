"""Give colour back."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from torch import Tensor

from medgraft.errors import ShapeError
from medgraft.pretext.distorter import Distorter
from medgraft.pretext.tasks import Example, Restoring, pretext

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
COLOURS = len(LUMA)


@pretext("colorisation")
class Colorisation(Restoring):
    """Restore colours from brightness; for colour images alone.

    The paper's squared-error form, over red, green and blue. Its other form, classes of hue
    balanced by rarity, makes pictures more vivid.
    """

    source: ClassVar[str] = "Zhang et al. 2016, arXiv:1603.08511"
    needs_colour: ClassVar[bool] = True

    def distorter(self, dims: int, *, as_published: bool = False) -> Distorter:
        """Nothing is done but the loss of colour."""
        del as_published
        return Distorter([], dims)

    def example(
        self, images: Tensor, *, seed: int, samples: np.ndarray, as_published: bool = False
    ) -> Example:
        """Brightness in all three channels, and the image as it was.

        Raises:
            ShapeError: If the images have not three channels.
        """
        del seed, samples, as_published
        if images.shape[1] != COLOURS:
            raise ShapeError(
                f"colorisation needs images of 3 channels, got {images.shape[1]}. Choose another"
                " task for grey images."
            )
        weights = images.new_tensor(LUMA).reshape(1, COLOURS, *(1,) * (images.ndim - 2))
        grey = (images * weights).sum(dim=1, keepdim=True)
        return Example(grey.expand_as(images).contiguous(), images)
