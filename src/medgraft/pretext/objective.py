"""The objective of a pretext task: what the loop trains without labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from medgraft.nets import EncoderDecoder, Network, YNetwork
from medgraft.pretext.task import Answer, Example, Task
from medgraft.seeds import derive
from medgraft.train.batches import Batch, Placement, even_batches
from medgraft.train.objective import Loss, Part
from medgraft.train.processes import Processes
from medgraft.train.supervised import Normalisation, Rows, even_slices, portions, stage_groups


@dataclass(frozen=True)
class Learner:
    """A network, a task, and how images go through both.

    Attributes:
        network: The one that the task made.
        task: What it learns.
        normalise: Applied to inputs in [0, 1].
        placement: Where tensors go.
        as_published: Take the numbers of the task's authors' code.
        class_weight: Of the loss of names, beside 1 of restoring.
        together: About how many images to judge together, where their loss is one of a batch.
        autocast: Whether to compute in bfloat16.
    """

    network: EncoderDecoder | Network | YNetwork
    task: Task
    normalise: Normalisation
    placement: Placement
    as_published: bool = False
    class_weight: float = 0.01
    together: int = 64
    autocast: bool = False

    def example(self, images: Tensor, *, seed: int, samples: np.ndarray) -> Example:
        """What the task makes of images in [0, 1], in their own precision."""
        with torch.autocast(images.device.type, enabled=False):
            return self.task.example(
                images, seed=seed, samples=samples, as_published=self.as_published
            )

    def answer(self, inputs: Tensor) -> Answer:
        """What the network says to inputs in [0, 1], in float32."""
        with torch.autocast(inputs.device.type, dtype=torch.bfloat16, enabled=self.autocast):
            return self.task.answer(lambda images: self.network(self.normalise(images)), inputs)

    def losses(
        self, answer: Answer, example: Example, patterns: Tensor | None = None
    ) -> dict[str, Tensor]:
        """What decides (``loss``) and what it is the sum of, each per image, shape (B,)."""
        return self.task.losses(answer, example, patterns, class_weight=self.class_weight)

    def shares(self, held_out: Rows) -> list[slice]:
        """Which held-out images to judge together.

        Of a loss of the batch that is decided by `together`: it says how many other images there
        are to be told from.
        """
        if not self.task.over_batch:
            return portions(held_out.store, held_out.rows)
        count = len(held_out.rows)
        return even_slices(count, even_batches(count, self.together))


@dataclass
class Pretext:
    """Learn a pretext task.

    Attributes:
        learner: The network and its task.
        seed: Of the run.
        per_epoch: Batches in an epoch: what is done to an image changes with the epoch.
        held_out: Images to validate on, of patients that training does not see; None for none.
        processes: Each validates its share.
    """

    learner: Learner
    seed: int
    per_epoch: int
    held_out: Rows | None = None
    processes: Processes = field(default_factory=Processes)

    def __post_init__(self) -> None:
        network = self.learner.network
        self._parts = {"network": Part(network, stage_groups(network, {}))}

    @property
    def parts(self) -> Mapping[str, Part]:
        """One part, the network."""
        return self._parts

    def loss(self, part: str, batch: Batch) -> Loss:  # noqa: ARG002 (there is one part)
        """The loss over a batch. Its targets are patterns that were discovered, never labels."""
        seed = derive(self.seed, "pretext", batch.step // self.per_epoch)
        example = self.learner.example(batch.images, seed=seed, samples=batch.places)
        answer = self.learner.answer(example.inputs)
        losses = self.learner.losses(answer, example, patterns_of(batch.targets))
        total = losses.pop("loss")
        terms = {name: float(values.detach().mean()) for name, values in losses.items()}
        return Loss(total.sum(), len(total), terms)

    def validate(self) -> dict[str, float]:
        """Mean loss on held-out images, which decides, and what else `judge` has to say.

        The images are changed as at every other validation, so that epochs can be compared.
        """
        if self.held_out is None:
            return {}
        found = judge(self.learner, self.held_out, seed=self.seed, processes=self.processes)
        return {**found, "score": -found["loss_val"]}


def patterns_of(targets: Tensor) -> Tensor | None:
    """The numbers of patterns in a batch's targets (B, 1); None where it has none, (B, 0)."""
    return targets[:, 0].long() if targets.shape[1] else None


def judge(learner: Learner, held_out: Rows, *, seed: int, processes: Processes) -> dict[str, float]:
    """How well a task is done on images that were not learnt from, in evaluation mode.

    Returns:
        ``loss_val`` and its terms ``restoring_val`` and ``naming_val``, if there are two;
        ``accuracy_val`` where something is named or found; and where something is restored
        ``input_val``, the error of leaving the input as it is.
    """
    learner.network.eval()
    naming = isinstance(learner.network, YNetwork)
    sums = dict.fromkeys(learner.task.measures(naming=naming), 0.0)
    for share in learner.shares(held_out)[processes.rank :: processes.world]:
        with torch.inference_mode():
            for key, values in _measured(learner, held_out, share, seed).items():
                sums[key] += float(values.double().sum())
    count, device = len(held_out.rows), learner.placement.device
    return {f"{key}_val": processes.sum(value, device) / count for key, value in sums.items()}


def _measured(learner: Learner, held_out: Rows, share: slice, seed: int) -> dict[str, Tensor]:
    """Each measure of some images, shape (B,)."""
    stored = held_out.store.gather(held_out.rows[share])
    images = learner.placement.images(stored, held_out.store.scale)
    patterns = patterns_of(torch.from_numpy(held_out.targets[share]).to(images.device))
    samples = np.arange(share.start, share.stop)
    example = learner.example(images, seed=derive(seed, "pretext", "held out"), samples=samples)
    answer = learner.answer(example.inputs)
    losses = learner.losses(answer, example, patterns)
    return losses | learner.task.measured(answer, example, patterns)
