"""One epoch of training in medgraft and in a bare loop, for the benchmarks that compare them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medgraft.augment import Augmenter
from medgraft.nets import create
from medgraft.train.batches import Batches, Images, Placement
from medgraft.train.loop import Loop
from medgraft.train.recipe import Recipe
from medgraft.train.supervised import Normalisation, Predictor, Supervised

Way = tuple[str, str]
WAYS: tuple[Way, ...] = (("float32", "contiguous"), ("bfloat16", "channels_last"))
BATCH = 64
NORMALISE = Normalisation((0.5,), (0.25,), "the benchmark")


@dataclass(frozen=True)
class InMemory:
    """Images as the store hands them out.

    Attributes:
        array: uint8, shape (N, C, H, W).
        scale: Stored value of 1.0.
    """

    array: np.ndarray
    scale: int = 255

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """Images at those rows."""
        return self.array[rows]


def network(way: Way) -> nn.Module:
    """A ResNet-18 for grey images and two classes."""
    torch.manual_seed(0)
    made = create("resnet18", in_channels=1, classes=2).network
    return made.to(memory_format=torch.channels_last) if way[1] == "channels_last" else made


def medgraft(
    store: Images, rows: np.ndarray, labels: np.ndarray, way: Way, *, augment: tuple[str, ...] = ()
) -> Callable[[], object]:
    """One epoch of the training loop, as `medgraft train` runs it."""
    recipe = Recipe(epochs=1, batch_size=BATCH, augment=augment)
    placement = Placement(torch.device("cpu"), channels_last=way[1] == "channels_last")
    predictor = Predictor(
        network(way),  # type: ignore[arg-type]
        kind="exclusive",
        normalise=NORMALISE,
        placement=placement,
        autocast=way[0] == "bfloat16",
    )
    objective = Supervised(predictor, weights=torch.ones(2))
    targets = np.eye(2, dtype=np.float32)[labels]
    augmenter = Augmenter(augment) if augment else None
    batches = Batches(store, rows, targets, BATCH, 0, augmenter, placement)

    def epoch() -> None:
        Loop(objective, batches, recipe, autocast=predictor.autocast).run()

    return epoch


def bare(images: Tensor, labels: np.ndarray, way: Way) -> Callable[[], object]:
    """One epoch of the loop that one would write by hand, on normalised floats in memory."""
    net = network(way).train()
    images = NORMALISE(images)
    if way[1] == "channels_last":
        images = images.contiguous(memory_format=torch.channels_last)
    targets = torch.from_numpy(labels)
    matrices = [p for p in net.parameters() if p.ndim > 1]
    vectors = [p for p in net.parameters() if p.ndim <= 1]
    optimiser = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.01}, {"params": vectors, "weight_decay": 0.0}],
        lr=1e-3,
        fused=True,
    )

    def epoch() -> None:
        net.train()
        for rows in torch.randperm(len(images)).split(BATCH):
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=way[0] == "bfloat16"):
                logits = net(images[rows])
            F.cross_entropy(logits.float(), targets[rows]).backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)

    return epoch
