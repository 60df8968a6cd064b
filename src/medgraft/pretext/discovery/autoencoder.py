"""An auto-encoder of whole scans: what it must remember of a scan describes the scan."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from medgraft.errors import ArgumentError
from medgraft.nets import EncoderDecoder, create_dense, outline
from medgraft.nets.backbones import find
from medgraft.nets.sides import least_side
from medgraft.seeds import generator
from medgraft.train.batches import Batch, Batches, Images, Placement
from medgraft.train.loop import Loop
from medgraft.train.objective import Group, Loss, Part
from medgraft.train.recipe import Recipe
from medgraft.train.supervised import portions

PATIENCE = 5  # epochs without a better restoration of held-out scans
HELD_OUT = 0.1  # of the training scans, if there is no validation part


@dataclass
class Restoration:
    """Restore whole scans: mean squared error per pixel, the answer between 0 and 1.

    Attributes:
        network: Without skips, so that its deepest maps are the only path.
        placement: Where tensors go.
        store: Where the scans lie.
        held_out: Rows of the store to judge by, not learnt from; may be empty.
    """

    network: EncoderDecoder
    placement: Placement
    store: Images
    held_out: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))

    def __post_init__(self) -> None:
        learning = dict(self.network.named_parameters())
        self._parts = {"network": Part(self.network, (Group("network", learning),))}

    @property
    def parts(self) -> Mapping[str, Part]:
        """One part, the network."""
        return self._parts

    def loss(self, part: str, batch: Batch) -> Loss:  # noqa: ARG002 (there is one part)
        """The error of each scan of a batch, summed."""
        return Loss(self._errors(batch.images).sum(), len(batch.images))

    def validate(self) -> dict[str, float]:
        """Mean error of the scans that were not learnt from; nothing if there are none."""
        if not len(self.held_out):
            return {}
        found = self.error(self.held_out)
        return {"loss_val": found, "score": -found}

    def error(self, rows: np.ndarray) -> float:
        """Mean squared error per pixel of stored scans, in evaluation mode."""
        self.network.eval()
        total = 0.0
        with torch.inference_mode():
            for part in portions(self.store, rows):
                images = self.placement.images(self.store.gather(rows[part]), self.store.scale)
                total += float(self._errors(images).double().sum())
        return total / len(rows)

    def _errors(self, images: Tensor) -> Tensor:
        restored = torch.sigmoid(self.network(images).float())
        return (restored - images).square().flatten(1).mean(dim=1)


@dataclass(frozen=True)
class Trained:
    """An auto-encoder and how well it restores.

    Attributes:
        network: In evaluation mode.
        history: A row per epoch.
        error: Mean squared error of scans it has not learnt from; None if there were none.
        constant: That of always answering with the mean training scan; NaN without such scans.
    """

    network: EncoderDecoder
    history: Sequence[Mapping[str, float]]
    error: float | None
    constant: float


def train_autoencoder(
    store: Images,
    rows: np.ndarray,
    held_out: np.ndarray,
    *,
    backbone: str,
    recipe: Recipe,
    placement: Placement,
) -> Trained:
    """Train an auto-encoder without skips on whole scans.

    Args:
        store: Whole scans at one small side.
        rows: Rows of the store to learn from, shape (N,).
        held_out: Rows to choose the best epoch by; if empty, a tenth of `rows` is held out.
        backbone: Its encoder.
        recipe: Epochs, batch size, optimiser and rate.
        placement: Where to compute.

    Raises:
        ArgumentError: If the encoder is for other dimensions, or the scans are too small for it.
        DivergedError: If the loss is not finite.
    """
    shape = store.gather(rows[:1]).shape[1:]
    check_fits(backbone, shape[1:])
    if not len(held_out):
        rows, held_out = _hold_out(rows, recipe.seed)
    torch.manual_seed(recipe.seed)
    network = create_dense(
        backbone, in_channels=shape[0], out_channels=shape[0], skips=False
    ).network.to(placement.device)
    objective = Restoration(network, placement, store, held_out)
    batches = Batches(
        store,
        rows,
        np.zeros((len(rows), 0), np.float32),
        size=min(recipe.batch_size, len(rows)),
        seed=recipe.seed,
        augmenter=None,
        placement=placement,
    )
    history = Loop(objective, batches, recipe).run().history
    network.eval()
    if not len(held_out):
        return Trained(network, history, None, math.nan)
    return Trained(network, history, objective.error(held_out), _constant(store, rows, held_out))


def check_fits(backbone: str, shape: Sequence[int], *, after: str | None = None) -> None:
    """Refuse an encoder for other dimensions or larger scans.

    Args:
        backbone: Its name.
        shape: Spatial, of the scans.
        after: Its last stage; None for all.

    Raises:
        UnknownNameError: If there is no such backbone.
        ArgumentError: If it does not fit.
    """
    found = find(backbone)
    have = " x ".join(map(str, shape))
    if found.dims != len(shape):
        raise ArgumentError(
            f"{backbone} needs scans of {found.dims} spatial axes, but these have {len(shape)}"
            f" ({have}). Choose another --backbone or other weights."
        )
    if min(shape) >= found.smallest_side:
        return
    least = least_side(outline(backbone, after=after))
    if min(shape) < least:
        raise ArgumentError(
            f"{backbone} needs scans of at least {least} pixels a side, got {have}."
            f" Pass --side {least} or more."
        )


def _hold_out(rows: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    count = int(HELD_OUT * len(rows))
    order = generator(seed, "held out").permutation(len(rows))
    return rows[np.sort(order[count:])], rows[np.sort(order[:count])]


def _constant(store: Images, rows: np.ndarray, held_out: np.ndarray) -> float:
    """Error of answering with the mean of `rows`, over `held_out`."""
    scale = store.scale
    mean = sum(
        store.gather(rows[part]).sum(axis=0, dtype=np.float64) for part in portions(store, rows)
    ) / (len(rows) * scale)
    squares = (
        float(((store.gather(held_out[part]) / scale - mean) ** 2).sum())
        for part in portions(store, held_out)
    )
    return sum(squares) / float(len(held_out) * np.size(mean))
