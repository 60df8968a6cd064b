"""The objective of a pretext task: what the loop trains without labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from medgraft.nets import EncoderDecoder, Network, YNetwork
from medgraft.pretext.tasks import Classifying, Example, Task
from medgraft.seeds import derive
from medgraft.train.batches import Batch, Placement
from medgraft.train.objective import Loss, Part
from medgraft.train.processes import Processes
from medgraft.train.supervised import Normalisation, Rows, portions, stage_groups


@dataclass(frozen=True)
class Answer:
    """What a network says to distorted images.

    Attributes:
        restored: Images in [0, 1], float32 (B, C, *S); None of a classifying task.
        logits: Of a classifying task, or of the patterns, float32 (B, classes); None where
            nothing is named.
    """

    restored: Tensor | None = None
    logits: Tensor | None = None


@dataclass(frozen=True)
class Learner:
    """A network, a task, and how images go through both.

    Attributes:
        network: An encoder with a decoder (restoring), a head (classifying) or both (restoring,
            and naming the pattern that a crop shows).
        task: What it learns.
        normalise: Applied to inputs in [0, 1].
        placement: Where tensors go.
        as_published: Take the numbers of the task's authors' code.
        class_weight: Of the loss of names, beside 1 of restoring.
        autocast: Whether to compute in bfloat16.
    """

    network: EncoderDecoder | Network | YNetwork
    task: Task
    normalise: Normalisation
    placement: Placement
    as_published: bool = False
    class_weight: float = 0.01
    autocast: bool = False

    def example(self, images: Tensor, *, seed: int, samples: np.ndarray) -> Example:
        """What the task makes of images in [0, 1]."""
        return self.task.example(images, seed=seed, samples=samples, as_published=self.as_published)

    def answer(self, inputs: Tensor) -> Answer:
        """What the network says to inputs in [0, 1], in float32."""
        with torch.autocast(inputs.device.type, dtype=torch.bfloat16, enabled=self.autocast):
            found = self.network(self.normalise(inputs))
        if isinstance(self.network, YNetwork):
            return Answer(torch.sigmoid(found[0].float()), found[1].float())
        if isinstance(self.network, EncoderDecoder):
            return Answer(restored=torch.sigmoid(found.float()))
        return Answer(logits=found.float())

    def losses(
        self, answer: Answer, example: Example, patterns: Tensor | None = None
    ) -> dict[str, Tensor]:
        """What decides (``loss``) and what it is the sum of, each per image, shape (B,).

        Source: Haghighi et al. 2020 (Semantic Genesis), arXiv:2007.06959: the loss of restoring
        plus a hundredth of that of naming.

        Args:
            answer: Of the network.
            example: What it was asked.
            patterns: Numbers of the patterns, int64 (B,), if it names them.
        """
        if answer.restored is None:
            assert answer.logits is not None, "an answer restores or names"
            return {"loss": cross_entropy(answer.logits, example.targets)}
        restoring = squared_error(answer.restored, example.targets, example.counted)
        if answer.logits is None or patterns is None:
            return {"loss": restoring}
        naming = cross_entropy(answer.logits, patterns)
        total = restoring + self.class_weight * naming
        return {"loss": total, "restoring": restoring, "naming": naming}


def cross_entropy(logits: Tensor, classes: Tensor) -> Tensor:
    """The negative logarithm of the probability of the right class, natural, shape (B,).

    It stays finite however sure a wrong answer is.

    Examples:
        >>> print(f"{cross_entropy(torch.zeros(1, 44), torch.tensor([3])).item():.4f}")  # log 44
        3.7842
    """
    return F.cross_entropy(logits, classes, reduction="none")


def squared_error(restored: Tensor, targets: Tensor, counted: Tensor | None = None) -> Tensor:
    """Mean squared error of every image, over all voxels and channels or those counted, (B,).

    Examples:
        >>> one, half = torch.ones(1, 1, 2, 2), torch.eye(2, dtype=torch.bool)[None, None]
        >>> squared_error(one * half, one).item(), squared_error(one * half, one, half).item()
        (0.5, 0.0)
    """
    squares = (restored - targets.to(restored.dtype)).square()
    if counted is None:
        return squares.flatten(1).mean(dim=1)
    squares = squares.mean(dim=1, keepdim=True) * counted
    return squares.flatten(1).sum(dim=1) / counted.flatten(1).sum(dim=1).clamp(min=1)


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

        The images are distorted as at every other validation, so that epochs can be compared.
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
        ``accuracy_val`` where something is named; and where something is restored ``input_val``,
        the error of leaving the input as it is.
    """
    learner.network.eval()
    sums = dict.fromkeys(_measures(learner), 0.0)
    parts = portions(held_out.store, held_out.rows)
    for part in parts[processes.rank :: processes.world]:
        with torch.inference_mode():
            for key, values in _measured(learner, held_out, part, seed).items():
                sums[key] += float(values.double().sum())
    count, device = len(held_out.rows), learner.placement.device
    return {f"{key}_val": processes.sum(value, device) / count for key, value in sums.items()}


def _measures(learner: Learner) -> tuple[str, ...]:
    """What `_measured` gives, also for a process that has no share of the images."""
    if isinstance(learner.network, YNetwork):
        return ("loss", "restoring", "naming", "accuracy", "input")
    return ("loss", "accuracy" if isinstance(learner.task, Classifying) else "input")


def _measured(learner: Learner, held_out: Rows, part: slice, seed: int) -> dict[str, Tensor]:
    """Each measure of some images, shape (B,)."""
    stored = held_out.store.gather(held_out.rows[part])
    images = learner.placement.images(stored, held_out.store.scale)
    targets = torch.from_numpy(held_out.targets[part]).to(images.device)
    samples = np.arange(part.start, part.stop)
    example = learner.example(images, seed=derive(seed, "pretext", "held out"), samples=samples)
    answer, patterns = learner.answer(example.inputs), patterns_of(targets)
    found = learner.losses(answer, example, patterns)
    if answer.logits is not None:
        classes = example.targets if patterns is None else patterns
        found["accuracy"] = (answer.logits.argmax(dim=1) == classes).float()
    if answer.restored is not None:
        found["input"] = squared_error(example.inputs, example.targets, example.counted)
    return found
