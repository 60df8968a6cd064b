"""An answer: probabilities averaged over networks and over views of the image."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from medgraft.errors import WeightsError
from medgraft.nets.weights import open_weights
from medgraft.progress import bar
from medgraft.runs import RunFolder
from medgraft.train.batches import Images
from medgraft.train.segmentation.segmenter import Segmenter
from medgraft.train.slices import Slices, Slicing, Volumes, joined
from medgraft.train.supervised import Predictor, portions
from medgraft.train.tta import Views, seen

Kind = TypeVar("Kind", Predictor, Segmenter)


@dataclass(frozen=True)
class Ensemble:
    """Networks that answer together; one of them, looking once, is the plain case.

    Attributes:
        predictors: One or more, best first; they share labels, normalisation and placement.
        views: How each image is looked at; None for once, as it is.
        slicing: How volumes are looked at slice by slice; None for whole images.
    """

    predictors: tuple[Predictor, ...]
    views: Views | None = None
    slicing: Slicing | None = None

    @property
    def best(self) -> Predictor:
        """The network with the best validation score."""
        return self.predictors[0]

    def probabilities(self, store: Volumes, rows: np.ndarray) -> np.ndarray:
        """Mean probabilities of stored images in [0, 1], shape (N, K), float64.

        Every network and every slice counts alike, every view with its weight. Probabilities are averaged and not
        logits: one network that is very sure then cannot outvote the others. Of several
        processes each computes a share, and all return the whole.
        """
        if self.slicing is None:
            return self._of(store, rows)
        slices = Slices(store, self.slicing)
        return joined(self._of(slices, slices.of(rows)), slices.each)

    def _of(self, store: Images, rows: np.ndarray) -> np.ndarray:
        for predictor in self.predictors:
            predictor.network.eval()
        placement, processes = self.best.placement, self.best.processes
        parts = portions(store, rows)
        shown = bar(total=len(rows), what="answer", quiet=not processes.first)

        def told(chosen: slice) -> Tensor:
            images = placement.images(store.gather(rows[chosen]), store.scale)
            answer = torch.from_numpy(self._answer(images))
            shown.update(len(images) * processes.world)  # the others do as much
            return answer

        with closing(shown):
            return self.best.collect(told, parts)

    def _answer(self, images: Tensor) -> np.ndarray:
        shape = (int(images.shape[-2]), int(images.shape[-1]))
        if self.views is None:
            return self._mean(images)
        looks = self.views.of(shape)
        told = [v.weight * self._mean(seen(images, v.matrix)) for v in looks]
        return np.asarray(np.sum(told, axis=0))

    def _mean(self, images: Tensor) -> np.ndarray:
        told = [p.probabilities(p.logits(images).double().cpu().numpy()) for p in self.predictors]
        return np.asarray(np.mean(told, axis=0))


def with_weights(predictor: Kind, weights: Mapping[str, Tensor]) -> Kind:
    """A predictor like this one, of labels or of masks, whose network has other weights."""
    network: Any = copy.deepcopy(predictor.network)
    network.load_state_dict(weights)
    return replace(predictor, network=network)


def open_members(run: RunFolder, record: Mapping[str, Any], best: Kind) -> list[Kind]:
    """The other networks of a finished run that answers with several, in their order.

    Args:
        run: Where their weights lie.
        record: What weights.json of the run says.
        best: The best network, with what it needs to answer.

    Raises:
        WeightsError: If a file is damaged, or not the one that the record speaks of.
    """
    found = []
    for written in record.get("members", []):
        path = run.path / written["file"]
        file = open_weights(str(path), backbone=best.network.backbone.name)
        if file.hash != written["hash"]:
            raise WeightsError(
                f"'{path}' must be the weights that the weights.json of its run speaks of, but its"
                f" SHA-256 is {file.hash}, not {written['hash']}. Copy the run folder again."
            )
        found.append(with_weights(best, file.tensors))
    return found
