"""The objective of a pretext task: what the loop trains without labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from medgraft.nets import EncoderDecoder, Network
from medgraft.pretext.tasks import Classifying, Example, Restoring, Task
from medgraft.seeds import derive
from medgraft.train.batches import Batch, Placement
from medgraft.train.objective import Loss, Part
from medgraft.train.processes import Processes
from medgraft.train.supervised import Normalisation, Rows, portions, stage_groups


@dataclass(frozen=True)
class Learner:
    """A network, a task, and how images go through both.

    Attributes:
        network: An encoder with a decoder (restoring) or with a head (classifying).
        task: What it learns.
        normalise: Applied to inputs in [0, 1].
        placement: Where tensors go.
        as_published: Take the numbers of the task's authors' code.
        autocast: Whether to compute in bfloat16.
    """

    network: EncoderDecoder | Network
    task: Task
    normalise: Normalisation
    placement: Placement
    as_published: bool = False
    autocast: bool = False

    def example(self, images: Tensor, *, seed: int, samples: object) -> Example:
        """What the task makes of images in [0, 1]."""
        return self.task.example(
            images,
            seed=seed,
            samples=samples,  # type: ignore[arg-type]
            as_published=self.as_published,
        )

    def answer(self, inputs: Tensor) -> Tensor:
        """Restored images in [0, 1], or logits, in float32."""
        with torch.autocast(inputs.device.type, dtype=torch.bfloat16, enabled=self.autocast):
            found: Tensor = self.network(self.normalise(inputs))
        return torch.sigmoid(found.float()) if isinstance(self.task, Restoring) else found.float()

    def losses(self, answer: Tensor, example: Example) -> Tensor:
        """The loss of every image, shape (B,)."""
        if isinstance(self.task, Classifying):
            return F.cross_entropy(answer, example.targets, reduction="none")
        return squared_error(answer, example.targets, example.counted)


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
        """The loss over a batch; labels are not looked at."""
        seed = derive(self.seed, "pretext", batch.step // self.per_epoch)
        example = self.learner.example(batch.images, seed=seed, samples=batch.places)
        losses = self.learner.losses(self.learner.answer(example.inputs), example)
        return Loss(losses.sum(), len(losses))

    def validate(self) -> dict[str, float]:
        """Mean loss on held-out images, which decides; of a classifying task accuracy as well.

        The images are distorted as at every other validation, so that epochs can be compared.
        """
        if self.held_out is None:
            return {}
        return judge(self.learner, self.held_out, seed=self.seed, processes=self.processes)


def judge(learner: Learner, held_out: Rows, *, seed: int, processes: Processes) -> dict[str, float]:
    """How well a task is done on images that were not learnt from, in evaluation mode.

    Returns:
        ``loss_val``, the mean loss; ``accuracy_val`` of a classifying task, or ``input_val`` of a
        restoring one: the loss of an answer that leaves the input as it is; and ``score``, the
        loss with its sign turned.
    """
    learner.network.eval()
    second = "accuracy_val" if isinstance(learner.task, Classifying) else "input_val"
    sums = {"loss_val": 0.0, second: 0.0}
    parts = portions(held_out.store, held_out.rows)
    for part in parts[processes.rank :: processes.world]:
        rows = held_out.rows[part]
        with torch.inference_mode():
            images = learner.placement.images(held_out.store.gather(rows), held_out.store.scale)
            samples = torch.arange(part.start, part.stop).numpy()
            example = learner.example(
                images, seed=derive(seed, "pretext", "held out"), samples=samples
            )
            answer = learner.answer(example.inputs)
            sums["loss_val"] += float(learner.losses(answer, example).double().sum())
            if isinstance(learner.task, Classifying):
                right = (answer.argmax(dim=1) == example.targets).sum()
            else:
                right = squared_error(example.inputs, example.targets, example.counted).sum()
            sums[second] += float(right)
    count, device = len(held_out.rows), learner.placement.device
    found = {key: processes.sum(value, device) / count for key, value in sums.items()}
    return {**found, "score": -found["loss_val"]}
