"""The supervised objective: one network, one loss, scores on the validation images."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from medgraft.nets.heads import ThreeWay
from medgraft.nets.network import Network, Staged
from medgraft.train.batches import Batch, Images, Placement
from medgraft.train.losses import losses
from medgraft.train.objective import Group, Loss, Part
from medgraft.train.processes import Processes
from medgraft.train.scores import macro_auroc
from medgraft.train.uncertain import three_way_cross_entropy

LOSSES = {"exclusive": "cross_entropy", "independent": "binary_cross_entropy"}
MOST, PIXELS = 256, 2**22  # images and pixels to predict at a time
TINY = 1e-15  # a probability of zero has no logarithm


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
        each: Rows that belong to one image and stand one after another: slices of a volume.
    """

    store: Images
    rows: np.ndarray
    targets: np.ndarray
    each: int = 1


class HeldOut(Protocol):
    """What still stages made of the validation images."""

    def take(self, places: slice) -> Tensor:
        """Maps of some of them."""


class Kept(Protocol):
    """What still stages made of all images."""

    @property
    def held_out(self) -> HeldOut | None:
        """Of the validation images; None if there are none."""


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

    def beyond(self, maps: Tensor) -> Tensor:
        """Logits of what the still stages made of images, in float32."""
        with torch.autocast(maps.device.type, dtype=torch.bfloat16, enabled=self.autocast):
            z: Tensor = self.network.tail(maps)
        return z.float()

    def predict(self, store: Images, rows: np.ndarray) -> np.ndarray:
        """Logits of stored images, shape (N, K), float64; the network is in evaluation mode.

        A prediction does not depend on which images stand in the same batch. Of several
        processes each predicts a share, and all return the whole.
        """

        def logits(chosen: slice) -> Tensor:
            return self.logits(self.placement.images(store.gather(rows[chosen]), store.scale))

        return self.collect(logits, portions(store, rows))

    def collect(self, answer: Callable[[slice], Tensor], parts: Sequence[slice]) -> np.ndarray:
        """What is said of all parts, shape (N, K), float64, from a function of one part.

        Logits or probabilities; of several processes each asks its parts, and all have the whole.
        """
        self.network.eval()
        found = np.zeros((parts[-1].stop if parts else 0, self.network.classes))
        with torch.inference_mode():
            for chosen in parts[self.processes.rank :: self.processes.world]:
                found[chosen] = answer(chosen).double().cpu().numpy()
        return self._gathered(found)

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Probabilities in [0, 1], shape (N, K)."""
        if self.kind == "independent":
            return np.asarray(1 / (1 + np.exp(-np.clip(logits, -700, 700))))
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))

    def joined(self, logits: np.ndarray, each: int) -> np.ndarray:
        """Logits of the mean probability of `each` rows in turn, shape (N / each, K)."""
        if each == 1:
            return logits
        share = self.probabilities(logits).reshape(-1, each, logits.shape[1]).mean(axis=1)
        share = share.clip(TINY, 1 - TINY)
        other = np.log1p(-share) if self.kind == "independent" else 0.0
        return np.asarray(np.log(share) - other)

    def _gathered(self, part: np.ndarray) -> np.ndarray:
        tensor = torch.from_numpy(part).to(self.placement.device)
        self.processes.sum_tensors([tensor])
        return np.asarray(tensor.cpu().numpy())


def portions(store: Images, rows: np.ndarray) -> list[slice]:
    """Images to pass through a network at a time, so that memory does not grow with their size.

    Portions are of even size: a lone image would be multiplied by another routine, whose last
    bits differ.
    """
    if not len(rows):
        return []
    pixels = int(store.gather(rows[:1])[0, 0].size)
    return even_slices(len(rows), -(-len(rows) // min(MOST, max(1, PIXELS // pixels))))


def even_slices(total: int, count: int) -> list[slice]:
    """Cut 0 .. total - 1 into so many parts, whose sizes differ by at most one.

    Examples:
        >>> even_slices(5, 2)
        [slice(0, 2, None), slice(2, 5, None)]
    """
    bounds = [total * part // count for part in range(count + 1)]
    return [slice(*ends) for ends in itertools.pairwise(bounds)]


@dataclass
class Supervised:
    """Learn labels.

    Attributes:
        predictor: The network and how to use it.
        weights: Of the classes in the loss, shape (K,).
        smoothing: Label smoothing.
        held_out: Validation images; None if there are none.
        scales: Factor on the learning rate by stage; 1 for those not named.
        kept: What the still stages made of the images; batches then hold it, too.
        three_way: Labels that are learnt as three classes, whose targets may be -1.
    """

    predictor: Predictor
    weights: Tensor
    smoothing: float = 0.0
    held_out: Rows | None = None
    scales: Mapping[str, float] = field(default_factory=dict)
    kept: Kept | None = None
    three_way: tuple[int, ...] = ()

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

    def loss(self, part: str, batch: Batch) -> Loss:  # noqa: ARG002 (there is one part)
        """The loss of the network over the known labels of a batch."""
        with self._raw() as raw:
            logits = self._logits(batch)
        known = self.of_logits(logits, batch.targets)
        total, count = known.total, known.count
        for three in raw:  # one, if there are such labels
            more, others = three_way_cross_entropy(three, batch.targets[:, self.three_way])
            total, count = total + more, count + others
        return Loss(total, count)

    def of_logits(self, logits: Tensor, targets: Tensor) -> Loss:
        """The loss of answers, (B, K), of whatever images; labels in three classes left out."""
        if self.three_way:
            targets = targets.clone()
            targets[:, self.three_way] = torch.nan
        total, count = self._loss.function(
            logits.float(), targets, weights=self.weights, smoothing=self.smoothing
        )
        return Loss(total, count)

    def _logits(self, batch: Batch) -> Tensor:
        network = self.predictor.network
        if self.kept is None:
            return torch.as_tensor(network(self.predictor.normalise(batch.images)))
        return network.tail(batch.images)

    @contextmanager
    def _raw(self) -> Iterator[list[Tensor]]:
        """Gathers the three logits of each such label from what the head makes in the block."""
        last, found = self.predictor.network.head[-1], list[Tensor]()
        if not isinstance(last, ThreeWay):
            yield found
            return
        hook = last.register_forward_pre_hook(
            lambda head, given: found.append(head.three(given[0].float()))
        )
        try:
            yield found
        finally:
            hook.remove()

    def validate(self) -> dict[str, float]:
        """Loss and macro AUROC on the validation images; the AUROC decides, else the loss.

        Of volumes that are looked at in slices, by volume: of the mean over its slices. Nothing, if there are no validation images or nothing is known of them.
        """
        if self.held_out is None:
            return {}
        each = self.held_out.each
        logits = self.predictor.joined(self.held_out_logits(self.held_out), each)
        targets = self.held_out.targets[::each]
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

    def held_out_logits(self, held_out: Rows) -> np.ndarray:
        """Logits of the validation images, slice by slice, (N, K), from kept maps where there are any."""
        maps = self.kept.held_out if self.kept else None
        if maps is None:
            return self.predictor.predict(held_out.store, held_out.rows)
        parts = portions(held_out.store, held_out.rows)
        return self.predictor.collect(lambda part: self.predictor.beyond(maps.take(part)), parts)


def stage_groups(network: Staged, scales: Mapping[str, float]) -> tuple[Group, ...]:
    """One group per stage and one for each other part, in order; those that do not learn left out.

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
