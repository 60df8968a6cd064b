"""The supervised objective: one network, one loss, scores on the validation images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from medgraft.nets.network import Network
from medgraft.train.batches import Batch, Images, Placement
from medgraft.train.losses import losses
from medgraft.train.objective import Group, Loss, Part
from medgraft.train.processes import Processes
from medgraft.train.scores import macro_auroc

LOSSES = {"exclusive": "cross_entropy", "independent": "binary_cross_entropy"}
MOST, PIXELS = 256, 2**22  # images and pixels to predict at a time


@dataclass(frozen=True)
class Normalisation:
    """Mean and standard deviation per channel, of images in [0, 1].

    Attributes:
        mean: Per channel.
        std: Per channel, above zero.
        origin: Whose statistics they are, for the record.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    origin: str

    def __call__(self, images: Tensor) -> Tensor:
        """(x - mean) / std, shape and layout kept."""
        shape = (1, len(self.mean)) + (1,) * (images.ndim - 2)
        mean = torch.tensor(self.mean, device=images.device).view(shape)
        std = torch.tensor(self.std, device=images.device).view(shape)
        return (images - mean) / std


@dataclass(frozen=True)
class Rows:
    """Images of one part of a split.

    Attributes:
        store: Where they lie.
        rows: Rows of the store, shape (N,).
        targets: Shape (N, K), NaN where unknown.
    """

    store: Images
    rows: np.ndarray
    targets: np.ndarray


@dataclass
class Predictor:
    """A network, with what it needs to turn stored images into probabilities.

    Attributes:
        network: The network.
        kind: "exclusive" (softmax) or "independent" (sigmoid).
        normalise: Applied to images in [0, 1].
        placement: Where tensors go.
        autocast: Whether to compute in bfloat16.
        processes: Each predicts its share.
    """

    network: Network
    kind: str
    normalise: Normalisation
    placement: Placement
    autocast: bool = False
    processes: Processes = field(default_factory=Processes)

    def logits(self, images: Tensor) -> Tensor:
        """Logits of images in [0, 1], in float32."""
        with torch.autocast(images.device.type, dtype=torch.bfloat16, enabled=self.autocast):
            z: Tensor = self.network(self.normalise(images))
        return z.float()

    def predict(self, store: Images, rows: np.ndarray) -> np.ndarray:
        """Logits of stored images, shape (N, K), float64; the network is in evaluation mode.

        A prediction does not depend on which images stand in the same batch. Of several
        processes each predicts a share, and all return the whole.
        """
        self.network.eval()
        found = np.zeros((len(rows), self.network.classes))
        size = portion(store, rows)
        with torch.inference_mode():
            for start in range(0, len(rows), size)[self.processes.rank :: self.processes.world]:
                chosen = slice(start, start + size)
                images = self.placement.images(store.gather(rows[chosen]), store.scale)
                found[chosen] = self.logits(images).double().cpu().numpy()
        return self._gathered(found)

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Probabilities in [0, 1], shape (N, K)."""
        if self.kind == "independent":
            return np.asarray(1 / (1 + np.exp(-np.clip(logits, -700, 700))))
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))

    def _gathered(self, part: np.ndarray) -> np.ndarray:
        tensor = torch.from_numpy(part).to(self.placement.device)
        self.processes.sum_tensors([tensor])
        return np.asarray(tensor.cpu().numpy())


def portion(store: Images, rows: np.ndarray) -> int:
    """Images to pass through a network at a time, so that memory does not grow with their size."""
    if not len(rows):
        return MOST
    pixels = int(store.gather(rows[:1])[0, 0].size)
    return min(MOST, max(1, PIXELS // pixels))


@dataclass
class Supervised:
    """Learn labels.

    Attributes:
        predictor: The network and how to use it.
        weights: Of the classes in the loss, shape (K,).
        smoothing: Label smoothing.
        held_out: Validation images; None if there are none.
        scales: Factor on the learning rate by stage; 1 for those not named.
    """

    predictor: Predictor
    weights: Tensor
    smoothing: float = 0.0
    held_out: Rows | None = None
    scales: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._loss = losses.get(LOSSES[self.predictor.kind])
        self._parts = {
            "network": Part(
                self.predictor.network, stage_groups(self.predictor.network, self.scales)
            )
        }

    @property
    def parts(self) -> Mapping[str, Part]:
        """One part, the network."""
        return self._parts

    def loss(self, part: str, batch: Batch) -> Loss:
        """The loss of the network over the known labels of a batch."""
        network = self._parts[part].module
        logits = network(self.predictor.normalise(batch.images)).float()
        total, count = self._loss.function(
            logits, batch.targets, weights=self.weights, smoothing=self.smoothing
        )
        return Loss(total, count)

    def validate(self) -> dict[str, float]:
        """Loss and macro AUROC on the validation images; the AUROC decides, else the loss.

        Nothing, if there are no validation images or nothing is known of them.
        """
        if self.held_out is None:
            return {}
        logits = self.predictor.predict(self.held_out.store, self.held_out.rows)
        targets = self.held_out.targets
        total, count = self._loss.function(
            torch.from_numpy(logits),
            torch.from_numpy(targets).double(),
            weights=torch.ones(targets.shape[1], dtype=torch.float64),
            smoothing=0.0,
        )
        if not count:  # nothing is known of these images
            return {}
        value = float(total) / count
        auroc = macro_auroc(targets, self.predictor.probabilities(logits))
        if auroc is None:
            return {"loss_val": value, "score": -value}
        # AUROC alone ties once every pair is in order; the loss then tells which is surer
        return {"loss_val": value, "auroc_val": auroc, "score": auroc - 1e-6 * value}


def stage_groups(network: Network, scales: Mapping[str, float]) -> tuple[Group, ...]:
    """One group per stage and one for the head, in order; those that do not learn left out.

    `scales` has the factor on the learning rate of a stage, 1 for those that it does not name.
    """
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    groups = (
        Group(
            stage,
            {names[id(p)]: p for p in parameters if p.requires_grad},
            scale=scales.get(stage, 1.0),
        )
        for stage, parameters in network.parameter_groups()
    )
    return tuple(group for group in groups if group.parameters)
