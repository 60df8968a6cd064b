"""A discriminator that diagnoses: classes from labelled images, real or generated from all.

The network has a logit per class and none for "generated", which is held at nought: adding the
same number to all logits changes no probability (Salimans et al. 2016). So with Z the sum of the
exponentials, an image is real with probability Z / (Z + 1), the softmax over the classes is the
diagnosis, and what was trained is an ordinary classifier.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from medgraft.errors import ArgumentError
from medgraft.index.target import Target
from medgraft.nets.heads import TwoWay
from medgraft.nets.network import Network
from medgraft.seeds import derive
from medgraft.train.batches import Batch, Batches
from medgraft.train.objective import Loss, Part
from medgraft.train.samples import Samples
from medgraft.train.supervised import Rows, Supervised
from medgraft.train.uncertain import Uncertain


def real_logit(classes: Tensor) -> Tensor:
    """Log-odds that an image is real, shape (B,), from the logits of its classes, (B, K).

    Examples:
        >>> real_logit(torch.zeros(1, 4)).exp()  # Z = 4, against 1
        tensor([4.])
    """
    return torch.logsumexp(classes, dim=1)


def real_loss(logit: Tensor) -> Tensor:
    """-log of the probability that images are real, shape (B,): what real images are to have low."""
    return F.softplus(-logit)


def generated_loss(logit: Tensor) -> Tensor:
    """-log of the probability that images are generated, shape (B,)."""
    return F.softplus(logit)


def check_kinds(target: Target, uncertain: Uncertain | None) -> None:
    """Refuse labels among which no softmax chooses.

    Raises:
        ArgumentError: If there are several labels that do not exclude each other, or one has three
            classes.
    """
    if uncertain is not None and uncertain.three_way:
        raise ArgumentError(
            "telling real from generated needs labels of two classes, and multi_class makes three."
            " Choose another --uncertain."
        )
    if target.kind == "independent" and len(target.names) > 1:
        raise ArgumentError(
            "telling real from generated needs one label or exclusive classes, got"
            f" {len(target.names)} labels: {', '.join(target.names)}. Index with one of them, or pass"
            " --samples-as labelled."
        )


@contextmanager
def class_logits(network: Network) -> Iterator[list[Tensor]]:
    """Gathers, while the network answers in the block, the logits of all classes of each batch.

    A head of one label answers with a difference; here are both logits, absence first.
    """
    found: list[Tensor] = []
    last = network.head[-1]
    hook = (
        last.register_forward_pre_hook(lambda _, given: found.append(given[0].float()))
        if isinstance(last, TwoWay)
        else network.register_forward_hook(lambda _, __, answer: found.append(answer.float()))
    )
    try:
        yield found
    finally:
        hook.remove()


@dataclass
class SemiSupervised:
    """Learn labels from few images, and what is real from many.

    In each step the network sees three equal batches at once: labelled images, training images whose
    labels nobody looks at, and generated ones, all augmented alike. Its loss is

        cross-entropy of the classes + weight / 2 (mean of -log p(real) over training images
                                                    + mean of -log p(generated) over samples)

    Source: Salimans et al. 2016, arXiv:1606.03498, section 5, with a generator that is not moved.

    Attributes:
        labels: Learning the labels alone.
        unlabelled: Training images without their labels.
        generated: Samples.
        weight: Of telling real from generated.
    """

    labels: Supervised
    unlabelled: Batches
    generated: Batches
    weight: float
    parts: Mapping[str, Part] = field(init=False)

    def __post_init__(self) -> None:
        self.parts = self.labels.parts

    @classmethod
    def of(
        cls, labels: Supervised, batches: Batches, samples: Samples, *, weight: float
    ) -> SemiSupervised:
        """Streams of the images beside, in batches as large as those of the labelled ones."""
        assert samples.unlabelled is not None, "samples that are learnt with labels"
        size = -(-len(batches.rows) // batches.per_epoch)

        def stream(rows: Rows, name: str) -> Batches:
            seed = derive(batches.seed, name)
            return replace(
                batches,
                store=rows.store,
                rows=rows.rows,
                targets=rows.targets,
                size=size,
                seed=seed,
            )

        return cls(
            labels,
            stream(samples.unlabelled, "unlabelled"),
            stream(samples.generated, "generated"),
            weight,
        )

    def loss(self, part: str, batch: Batch) -> Loss:  # noqa: ARG002 (there is one part)
        """The loss over a batch of labelled images and those beside it, named by its step."""
        real, fake = (at(stream, batch.step).images for stream in (self.unlabelled, self.generated))
        images = torch.cat([batch.images, real, fake])
        with class_logits(self.labels.predictor.network) as found:
            logits = self.labels.predictor.network(self.labels.predictor.normalise(images))
        known = self.labels.of_logits(logits[: len(batch.images)], batch.targets)
        odds = real_logit(found[0])[len(batch.images) :]
        as_real, as_fake = real_loss(odds[: len(real)]), generated_loss(odds[len(real) :])
        telling = (as_real.mean() + as_fake.mean()) / 2
        count = max(known.count, 1.0)  # a share of a batch may have no label
        terms = {
            "labels": float(known.total.detach()) / count,
            "real": float(as_real.detach().mean()),
            "generated": float(as_fake.detach().mean()),
        }
        return Loss(known.total + self.weight * count * telling, count, terms)

    def validate(self) -> dict[str, float]:
        """As of learning the labels alone: the diagnosis decides which weights are best."""
        return self.labels.validate()


def at(stream: Batches, step: int) -> Batch:
    """Batch number `step` of a stream that begins again when it ends."""
    epoch, place = divmod(step, stream.per_epoch)
    return next(stream.epoch(epoch, start=place))


def real_probability(logits: np.ndarray) -> np.ndarray:
    """Probability in [0, 1] that images are real, shape (N,), from the logits of their classes.

    Examples:
        >>> real_probability(np.zeros((1, 3))).round(2)
        array([0.75])
    """
    highest = np.maximum(logits.max(axis=1), 0.0)
    z = np.exp(logits - highest[:, None]).sum(axis=1)
    return np.asarray(z / (z + np.exp(-highest)))
