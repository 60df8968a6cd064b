"""A network that answers pixel by pixel, and what it takes to ask it about a stored image."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from medgraft.errors import ShapeError
from medgraft.nets import EncoderDecoder
from medgraft.optional import require
from medgraft.train.batches import Placement
from medgraft.train.processes import Processes
from medgraft.train.slices import Slicing
from medgraft.train.supervised import PIXELS, Normalisation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

OVERLAP = 0.5  # of neighbouring windows, along each axis
TOGETHER = 4  # windows in one pass


@dataclass
class Segmenter:
    """A network, with what it needs to turn images into probabilities of classes.

    Attributes:
        network: Its answer has a channel per class, the background first.
        normalise: Applied to images in [0, 1].
        placement: Where tensors go.
        autocast: Whether to compute in bfloat16.
        processes: This process among the others.
        window: Sides of the window that slides over images larger than it, one per spatial
            axis; None looks at whole images at once.
        slicing: How volumes are looked at slice by slice, by a network for pictures; None for
            images of as many axes as the network has.
    """

    network: EncoderDecoder
    normalise: Normalisation
    placement: Placement
    autocast: bool = False
    processes: Processes = field(default_factory=Processes)
    window: tuple[int, ...] | None = None
    slicing: Slicing | None = None

    def sides(self, stored: tuple[int, ...]) -> tuple[int, ...]:
        """Sides of what the network sees of an image of shape (C, *S)."""
        return stored[1:] if self.slicing is None else self.slicing.shape(stored)[1:]

    def logits(self, images: Tensor) -> Tensor:
        """Logits (B, K, *S) of images in [0, 1], in float32."""
        with torch.autocast(images.device.type, dtype=torch.bfloat16, enabled=self.autocast):
            z: Tensor = self.network(self.normalise(images))
        return z.float()

    def probabilities(self, stored: np.ndarray, scale: int) -> Tensor:
        """Probabilities of the classes of each pixel of one image, on the processor.

        The network is in evaluation mode and sees one image at a time, so that an answer never
        depends on other images. Under a window the memory of the device does not grow with the
        image: the answers of windows that overlap by half are averaged on the processor, each
        weighted by a Gaussian about its centre, where a window sees most around a pixel.

        Args:
            stored: Shape (C, *S), whole numbers as the store keeps them.
            scale: Stored value of 1.0.

        Returns:
            Float32, shape (K, *S).

        Raises:
            MissingExtraError: If windows are needed and MONAI is not there.
        """
        self.network.eval()
        with torch.inference_mode():
            if self.slicing is None:
                return self._answers(stored[None], scale)[0]
            return self._by_slice(stored, scale, self.slicing)

    def _by_slice(self, stored: np.ndarray, scale: int, slicing: Slicing) -> Tensor:
        """The answers about a few slices at a time, laid on one another."""
        count = slicing.each(stored.shape)
        few = max(1, PIXELS // math.prod(self.sides(stored.shape)))
        found = [
            self._answers(
                np.stack([slicing.picture(stored, n) for n in range(at, min(at + few, count))]),
                scale,
            ).numpy()
            for at in range(0, count, few)
        ]
        volume = slicing.unstack(np.concatenate(found))
        return torch.from_numpy(np.ascontiguousarray(volume))

    def _answers(self, stored: np.ndarray, scale: int) -> Tensor:
        """Probabilities (B, K, *S) of what the network sees, (B, C, *S), on the processor."""
        if self.slides(stored.shape[2:]):
            return self._sliding(stored, scale)
        return self.logits(self.placement.images(stored, scale)).softmax(dim=1).cpu()

    def slides(self, size: tuple[int, ...]) -> bool:
        """Whether an image is looked at in windows: if it is larger, or must be padded to one."""
        if self.window is None:
            return False
        larger = any(s > w for s, w in zip(size, self.window, strict=True))
        return larger or bool(why_not(self.network, size))

    def _sliding(self, stored: np.ndarray, scale: int) -> Tensor:
        images = Placement(torch.device("cpu")).images(stored, scale)
        answer = find_sliding()(
            images,
            roi_size=self.window,
            sw_batch_size=TOGETHER,
            predictor=lambda part: self.logits(part).softmax(dim=1),
            overlap=OVERLAP,
            mode="gaussian",
            padding_mode="replicate",
            sw_device=self.placement.device,
            device=torch.device("cpu"),
            progress=False,
        )
        assert isinstance(answer, Tensor)
        return answer


def find_sliding() -> Callable[..., Any]:
    """MONAI's inference by windows.

    Raises:
        MissingExtraError: If MONAI is not installed.
    """
    utils: Any = require("monai.inferers.utils", extra="volumes", purpose="a window that slides")
    found: Callable[..., Any] = utils.sliding_window_inference
    return found


def why_not(network: EncoderDecoder, sides: tuple[int, ...]) -> str:
    """Why a network cannot take images of these sides; empty if it can."""
    try:
        network.check_sides(sides)
    except ShapeError as error:
        return str(error)
    return ""


def mean_probabilities(segmenters: Sequence[Segmenter], stored: np.ndarray, scale: int) -> Tensor:
    """Probabilities averaged over networks, each counting alike; see `Segmenter.probabilities`."""
    told = segmenters[0].probabilities(stored, scale)
    for other in segmenters[1:]:
        told = told + other.probabilities(stored, scale)
    return told / len(segmenters)
