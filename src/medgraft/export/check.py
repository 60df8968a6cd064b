"""Whether an exported file answers as the run does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medgraft.errors import CheckRefusedError
from medgraft.export.formats import Opened
from medgraft.export.images import Sample
from medgraft.train.supervised import Predictor

BATCH = 16  # images to ask at a time
ALONE = 4  # images that are asked once more, each by itself


@dataclass(frozen=True)
class Checked:
    """How far an exported file is from its run.

    Attributes:
        largest_difference: Of any probability of any image, in batches and alone.
        tolerance: What it may be.
        images: How many were compared.
        origin: What they were.
    """

    largest_difference: float
    tolerance: float
    images: int
    origin: str


def check(opened: Opened, predictor: Predictor, sample: Sample, *, tolerance: float) -> Checked:
    """Compare the probabilities of a file with those of the network that it was made from.

    Raises:
        CheckRefusedError: If a probability differs by more than `tolerance`.
    """
    places = np.arange(sample.count)
    wanted = predictor.probabilities(predictor.predict(sample.images, places))
    groups = [places[start : start + BATCH] for start in range(0, len(places), BATCH)]
    groups += [places[place : place + 1] for place in range(min(ALONE, len(places)))]
    largest = 0.0
    for group in groups:
        images = predictor.placement.images(sample.images.gather(group), sample.images.scale)
        gap = np.abs(opened.ask(images.cpu().numpy()) - wanted[group])
        largest = max(largest, float(np.where(np.isnan(gap), np.inf, gap).max()))
    if largest > tolerance:
        raise CheckRefusedError(
            f"the file must answer as the run does, to {tolerance:g}, but on {sample.origin} a"
            f" probability differs by {largest:.3g}. Nothing was written. Pass a larger"
            " --tolerance if that is close enough for your use."
        )
    return Checked(largest, tolerance, sample.count, sample.origin)
