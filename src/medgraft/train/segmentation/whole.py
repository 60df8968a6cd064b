"""Masks of files: prepared as in training, segmented, and brought back to the grid of the file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from medgraft.pool import Reply, spread
from medgraft.prepare.geometry import Geometry, restore
from medgraft.train.segmentation.segmenter import Segmenter, mean_probabilities, why_not

FEW = 16  # files for which starting other processes does not pay


@dataclass(frozen=True)
class Answers:
    """What is asked about files, and how they are prepared.

    Attributes:
        segmenters: One or more networks, whose probabilities are averaged.
        steps: Preparation steps.
        scale: Stored value of 1.0.
        channels: Of a prepared image.
    """

    segmenters: tuple[Segmenter, ...]
    steps: tuple[str, ...]
    scale: int
    channels: int

    @property
    def dims(self) -> int:
        """Spatial axes of the images that can be answered."""
        first = self.segmenters[0]
        return first.network.backbone.dims if first.slicing is None else 3


@dataclass(frozen=True)
class Segmented:
    """The answer about one file, on its grid.

    Attributes:
        place: Number of the file among those asked about.
        mask: Place of the class of each pixel, uint8, shape (*S) of the file; 0 where the file
            was cut away by the steps.
        share: Probabilities of all classes but the background, float32 (K - 1, *S); 0 where the
            file was cut away. None if nobody asked for them.
        spacing_mm: Of the file; None where it does not say.
        affine: Of the file, (4, 4), RAS+; None where it does not say.
        image: What the network saw, in [0, 1], float32 (C, *S). None if nobody asked for it.
    """

    place: int
    mask: np.ndarray
    share: np.ndarray | None
    spacing_mm: tuple[float, ...] | None
    affine: np.ndarray | None
    image: np.ndarray | None = None


@dataclass(frozen=True)
class Refused:
    """A file that could not be read or does not suit the network: reason and remedy."""

    place: int
    reason: str
    remedy: str


@contextmanager
def segmented(
    paths: Sequence[str],
    answers: Answers,
    *,
    shares: bool = False,
    images: bool = False,
    here: bool = False,
) -> Iterator[Iterator[Segmented | Refused]]:
    """Segment files, in any order, one at a time: neither images nor masks need fit in memory.

    Args:
        paths: What to read.
        answers: Networks and preparation.
        shares: Whether probabilities are wanted too.
        images: Whether the prepared images are wanted too.
        here: Work in this process, where files have been read before.
    """
    with spread(
        "medgraft.prepare.placed:placing",
        list(paths),
        what="segment",
        settings={"specs": list(answers.steps), "bits": answers.scale.bit_length()},
        workers=0 if here or len(paths) <= FEW else None,
    ) as replies:
        yield (_answer(reply, answers, shares=shares, images=images) for reply in replies)


def _answer(reply: Reply, answers: Answers, *, shares: bool, images: bool) -> Segmented | Refused:
    if reply.failure is not None:
        return Refused(reply.place, *reply.failure)
    if reply.array is None:
        return Refused(reply.place, reply.said["reason"], reply.said["remedy"])
    if (why := _unsuited(reply.array, answers)) is not None:
        return Refused(reply.place, *why)
    told = mean_probabilities(answers.segmenters, reply.array, answers.scale)
    geometry = Geometry.of_record(reply.said["geometry"])
    mask, share = on_file(told, geometry, shares=shares)
    spacing, affine = reply.said["spacing_mm"], reply.said["affine"]
    return Segmented(
        reply.place,
        mask,
        share,
        None if spacing is None else tuple(spacing),
        None if affine is None else np.array(affine),
        restore((reply.array / answers.scale).astype(np.float32), geometry) if images else None,
    )


def _unsuited(array: np.ndarray, answers: Answers) -> tuple[str, str] | None:
    """Reason and remedy for an image that the network cannot take; None if it can."""
    if array.ndim - 1 != answers.dims:
        kinds = {2: "a picture", 3: "a volume"}
        return (
            f"prepared, it is {kinds.get(array.ndim - 1)}, but the run was trained on"
            f" {kinds[answers.dims].removeprefix('a ')}s",
            "Leave it out, or use a run that was trained on such images.",
        )
    if array.shape[0] != answers.channels:
        return (
            f"prepared, it has {array.shape[0]} channels, but the run was trained on"
            f" {answers.channels}",
            "Leave it out, or use a run that was trained on such images.",
        )
    first = answers.segmenters[0]
    if first.window is None and (why := why_not(first.network, first.sides(array.shape))):
        return why, "Train with steps that bring images to such sides, such as crop_or_pad."
    return None


def on_file(
    told: Tensor, geometry: Geometry, *, shares: bool
) -> tuple[np.ndarray, np.ndarray | None]:
    """The likeliest class of each pixel of the file, and the probabilities if they are wanted.

    Probabilities are resampled and the likeliest taken then: resampled classes would have stairs.
    Classes are taken one after another, so that memory does not grow with their number. What was
    cut away is background.

    Args:
        told: Probabilities on the prepared grid, (K, *S).
        geometry: Of the prepared image.
        shares: Whether probabilities are wanted.
    """
    best = restore(told[:1].numpy(), geometry, fill=1.0)[0]
    mask = np.zeros(best.shape, np.uint8)
    kept = np.zeros((len(told) - 1, *best.shape), np.float32) if shares else None
    for place in range(1, len(told)):
        share = restore(told[place : place + 1].numpy(), geometry)[0]
        above = share > best
        mask[above] = place
        np.copyto(best, share, where=above)
        if kept is not None:
            kept[place - 1] = share.clip(0, 1)
    return mask, kept
