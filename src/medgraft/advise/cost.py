"""What the strategies cost on this machine, from a few steps that leave no trace."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np
import torch

from medgraft.train.batches import Batches
from medgraft.train.data import Data
from medgraft.train.features import pooled_features
from medgraft.train.loop import Loop
from medgraft.train.recipe import Recipe
from medgraft.train.schedules import Point
from medgraft.train.setup import make_objective, plan
from medgraft.train.supervised import Predictor
from medgraft.train.untouched import untouched

STEPS = 3  # timed after a first that allocates; the least counts, as other work only adds
LARGEST = 32  # images per timed step


@dataclass(frozen=True)
class Cost:
    """Seconds, as measured.

    Attributes:
        features: Per image, once through the network up to a stage, in evaluation mode; by stage.
        tuning: Per image and epoch, forward and backward through the whole network, with
            augmentation and the step of the optimiser.
        epochs: Passes over the images when tuning.
        images: Labelled training images.
    """

    features: dict[str, float]
    tuning: float
    epochs: int
    images: int

    def seconds(self, cut: str | None) -> float:
        """Of tuning everything, or (with a cut) of computing the features after it, once.

        To fit a linear classifier to those takes little beside it and is not counted.
        """
        if cut is None:
            return self.tuning * self.images * self.epochs
        return self.features[cut] * self.images


def features_seconds(predictor: Predictor, data: Data, rows: np.ndarray, stage: str) -> float:
    """Seconds per image to pass once through a network up to a stage, in evaluation mode."""
    times = []
    for _ in range(STEPS + 1):
        began = time.perf_counter()
        pooled_features(predictor, data.store, rows, [stage])
        times.append((time.perf_counter() - began) / len(rows))
    return min(times[1:])


def tuning_seconds(
    recipe: Recipe, predictor: Predictor, data: Data, batches: Batches, *, autocast: bool
) -> float:
    """Seconds per image to train all of a network; weights and random states stay as they were."""
    few = replace(batches, size=min(LARGEST, batches.size, len(batches.rows)))
    with untouched([predictor.network]):
        phase = plan(recipe, predictor.network.backbone)[0]
        loop = Loop(
            make_objective(recipe, predictor, data, few, phase), few, recipe, autocast=autocast
        )
        loop.train_mode()
        times = []
        for number in range(STEPS + 1):
            began = time.perf_counter()
            batch = next(iter(few.epoch(number)))
            loop.take(batch, Point(1e-6))
            if predictor.placement.device.type == "cuda":
                torch.cuda.synchronize()
            times.append((time.perf_counter() - began) / len(batch.images))
    return min(times[1:])
