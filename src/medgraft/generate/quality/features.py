"""What a named network makes of images: the features that samples are judged in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medgraft.nets import create
from medgraft.train.batches import Images, Placement
from medgraft.train.features import pooled_features
from medgraft.train.hardware import find_device
from medgraft.train.setup import check_shape, normalisation
from medgraft.train.supervised import Predictor, Rows


@dataclass(frozen=True)
class Seeing:
    """Which network looks, and where in it.

    Attributes:
        backbone: Its name.
        weights: "imagenet", a .safetensors file, a run folder, or "none": random weights see little, and
            their distances are not those of other people.
        after: The stage whose maps are averaged over space; None takes the last.
        device: Where it computes.
    """

    backbone: str
    weights: str
    after: str | None = None
    device: str = "auto"


@dataclass(frozen=True)
class Extractor:
    """A network that is asked for features.

    Attributes:
        predictor: The network and how to use it.
        stage: Whose maps are averaged.
    """

    predictor: Predictor
    stage: str

    @classmethod
    def of(cls, seeing: Seeing, training: Rows) -> Extractor:
        """Build it for images like those of the training part.

        Raises:
            UnknownNameError: If there is no such backbone or stage.
            WeightsError: If the weights do not fit.
            TrainingError: If the images are too small for it.
        """
        shape = training.store.gather(training.rows[:1]).shape[1:]
        made = create(
            seeing.backbone,
            in_channels=shape[0],
            classes=2,  # of a head that is not asked
            weights=seeing.weights,
            after=seeing.after,
        )
        check_shape(made.network.backbone, shape[1:], larger="a generator of side {}")
        device = find_device(seeing.device, 0)
        predictor = Predictor(
            made.network.to(device).eval(),
            "exclusive",
            normalisation(made.weights, training),
            Placement(device),
        )
        return cls(predictor, made.network.backbone.names[-1])

    def of_images(self, images: Images, rows: np.ndarray) -> np.ndarray:
        """Features of some images, float64, shape (N, D)."""
        found = pooled_features(self.predictor, images, rows, [self.stage])
        return found[self.stage].astype(np.float64)
