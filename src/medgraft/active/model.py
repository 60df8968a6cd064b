"""A network that is asked about candidates: answers for several looks at each, and features."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from medgraft.active.candidates import Candidates
from medgraft.active.evidence import Evidence, Floats, Integers
from medgraft.active.trunk import HALF, ROWS, Passing, Trunk, half, scratch
from medgraft.errors import ArgumentError
from medgraft.progress import bar
from medgraft.seeds import derive
from medgraft.train.supervised import Predictor

View = int | None  # number of an augmented view; None is the image as it is
PLAIN: tuple[View, ...] = (None,)


@dataclass(frozen=True)
class Model:
    """A network, and where the averaged maps of its images come from.

    Attributes:
        predictor: The network.
        trunk: Where averaged maps come from.
        folder: For what does not fit in memory.
        seed: Of dropout.
    """

    predictor: Predictor
    trunk: Trunk
    folder: Path
    seed: int = 0

    def answers(self, places: Integers) -> np.ndarray:
        """Probabilities of images as they are, shape (n, K), float64, in float32 arithmetic."""
        trunk = self.trunk
        if isinstance(trunk, Passing):
            trunk = replace(trunk, predictor=replace(self.predictor, autocast=False))
        found = np.empty((len(places), self.predictor.network.classes))
        for part, maps in trunk.maps(places):
            found[part] = self._said(maps)
        return found

    def evidence(
        self,
        candidates: Candidates,
        chosen: Integers,
        *,
        views: Sequence[View] = PLAIN,
        passes: int = 0,
        features: bool = False,
        known: Integers | None = None,
        progress: float = 0.0,
    ) -> Evidence:
        """What the network says of some candidates.

        Args:
            candidates: All of them.
            chosen: Which, shape (N,).
            views: Looks at each image.
            passes: Passes with dropout over the images as they are, instead of views.
            features: Whether averaged maps are wanted.
            known: Candidates that are labelled, whose averaged maps are wanted too.
            progress: How far the campaign has come, in [0, 1].

        Returns:
            Of N candidates, in their order; those of a group have all looks at all its images,
            image after image.
        """
        images = candidates.of_these(chosen)
        looks = PLAIN if passes else tuple(views)
        shape = (len(images), passes or len(looks), self.predictor.network.classes)
        told = scratch(shape, np.dtype(np.float32), self.folder, "answers")
        pooled = self._look(images, told, looks, passes=passes, features=features)
        sizes = candidates.sizes[chosen]
        labelled = None
        if pooled is not None:
            pooled = _means(pooled, sizes, self.folder, "means")
            labelled = None if known is None or not len(known) else self._known(candidates, known)
        probabilities, counts = _grouped(told, sizes)
        return Evidence(
            probabilities,
            independent=self.predictor.kind == "independent",
            counts=counts,
            features=pooled,
            labelled=labelled,
            progress=progress,
        )

    def _known(self, candidates: Candidates, known: Integers) -> Floats:
        images = candidates.of_these(known)
        found = {part.start: half(maps) for part, maps in self.trunk.maps(images)}
        pooled = np.concatenate([found[start] for start in sorted(found)])
        return _means(pooled, candidates.sizes[known], self.folder, "known")

    def _look(
        self,
        images: Integers,
        told: Floats,
        looks: Sequence[View],
        *,
        passes: int,
        features: bool,
    ) -> Floats | None:
        """Fill in what is said of the images; gives their maps as they are, if wanted."""
        pooled: Floats | None = None
        extra = PLAIN if features and None not in looks else ()
        shown = bar(total=len(images) * (len(looks) + len(extra)), what="look at the pool")
        for view in (*extra, *looks):
            for part, maps in self.trunk.maps(images, view):
                if features and view is None:
                    if pooled is None:
                        shape = (len(images), maps.shape[1])
                        pooled = scratch(shape, HALF, self.folder, "features")
                    pooled[part] = half(maps)
                if passes:
                    for number, answer in enumerate(self._passes(maps, part.start, passes)):
                        told[part, number] = answer
                elif view in looks:
                    told[part, looks.index(view)] = self._said(maps)
                shown.update(len(maps))
        shown.close()
        return pooled

    def _said(self, maps: Tensor) -> np.ndarray:
        with torch.inference_mode():
            head: nn.Module = self.predictor.network.head[1:].eval()
            logits = head(maps).double().cpu().numpy()
        return self.predictor.probabilities(logits)

    def _passes(self, maps: Tensor, start: int, passes: int) -> Iterator[np.ndarray]:
        """Answers of passes with dropout; batch norms stay as in evaluation."""
        head = self.predictor.network.head[1:].eval()
        for number in range(passes):
            torch.manual_seed(derive(self.seed, "pass", number, start))
            with torch.inference_mode():
                _dropping(head)
                logits = head(maps).double().cpu().numpy()
                head.eval()
            yield self.predictor.probabilities(logits)


def check_dropout(head: nn.Module) -> None:
    """Refuse a head without dropout, whose passes would all be alike.

    Raises:
        ArgumentError: With what has any.
    """
    if not any(isinstance(module, nn.Dropout) and module.p > 0 for module in head.modules()):
        raise ArgumentError(
            "passes with dropout need a head that has any, and this one is linear. Choose --tune"
            " two-phase or fine-tune, or look at augmented views with --views."
        )


def _dropping(head: nn.Module) -> None:
    for module in head.modules():
        if isinstance(module, nn.Dropout):
            module.train()


def _means(pooled: Floats, sizes: Integers, folder: Path, name: str) -> Floats:
    """Mean over the images of each candidate, a portion of the candidates at a time."""
    if (sizes == 1).all():
        return pooled
    ends = np.cumsum(sizes)
    starts = ends - sizes
    found = scratch((len(sizes), pooled.shape[1]), pooled.dtype, folder, name)
    for first in range(0, len(sizes), ROWS):
        part = slice(first, min(first + ROWS, len(sizes)))
        begin = starts[part.start]
        images = pooled[begin : ends[part.stop - 1]].astype(np.float32)
        total = np.add.reduceat(images, starts[part] - begin, axis=0)
        found[part] = total / sizes[part, None]
    return found


def _grouped(told: Floats, sizes: Integers) -> tuple[Floats, Integers | None]:
    """Answers (M, V, K) of images as those of candidates, (N, most images · V, K), and their counts."""
    if (sizes == 1).all():
        return told, None
    looks, classes = told.shape[1:]
    candidate = np.repeat(np.arange(len(sizes)), sizes)
    inside = np.arange(len(told)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    found = np.zeros((len(sizes), int(sizes.max()), looks, classes), told.dtype)
    found[candidate, inside] = told
    return found.reshape(len(sizes), -1, classes), sizes * looks
