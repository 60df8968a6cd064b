"""The phases of a pretraining: all of the network at once, or its encoder alone first."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np
from torch import Tensor

from medgraft.nets import Network, YNetwork
from medgraft.pretext.classifying import Classifying, cross_entropy, named
from medgraft.pretext.objective import Learner
from medgraft.pretext.recipe import Pretraining
from medgraft.pretext.restoring import Restoring
from medgraft.pretext.task import Answer, Example, Shape
from medgraft.train.strategies import Phase

ENCODER = "encoder alone"


class Naming(Classifying):
    """Name the patterns of crops that another task distorts: what an encoder learns alone.

    It is a phase of that task, and no registered task itself.
    """

    source: ClassVar[str] = "Haghighi et al. 2020 (Semantic Genesis), arXiv:2007.06959"
    distorts: Restoring
    """What happens to the crops, so that the encoder sees what it will see beside the decoder."""
    patterns: int
    """How many there are."""

    def example(
        self, images: Tensor, *, seed: int, samples: np.ndarray, as_published: bool = False
    ) -> Example:
        """That of the other task."""
        return self.distorts.example(images, seed=seed, samples=samples, as_published=as_published)

    def classes(self, shape: Shape) -> int:
        """The patterns, whatever the shape."""
        del shape
        return self.patterns

    def losses(
        self,
        answer: Answer,
        example: Example,
        patterns: Tensor | None = None,
        *,
        class_weight: float = 0.01,
    ) -> dict[str, Tensor]:
        """Cross-entropy of the patterns."""
        del example, class_weight
        return {"loss": cross_entropy(*_named(answer, patterns))}

    def measured(
        self, answer: Answer, example: Example, patterns: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Whether the pattern was named."""
        del example
        return {"accuracy": named(*_named(answer, patterns))}


def _named(answer: Answer, patterns: Tensor | None) -> tuple[Tensor, Tensor]:
    assert answer.logits is not None, "a classifying task answers with logits"
    assert patterns is not None, "crops of a discovery have patterns"
    return answer.logits, patterns


def plan(recipe: Pretraining) -> tuple[Phase, ...]:
    """The phases in order; each has a course of the rate of its own.

    Source: Haghighi et al. 2020 (Semantic Genesis), arXiv:2007.06959: the encoder may learn to
    name patterns first, and is then joined by the decoder.

    Examples:
        >>> [(p.name, p.epochs) for p in plan(Pretraining(epochs=9, encoder_epochs=2))]
        [('encoder alone', 2), ('encoder and decoder', 9)]
    """
    whole = Phase("whole network", recipe.epochs, None, recipe.rate)
    if not recipe.encoder_epochs:
        return (whole,)
    first = Phase(ENCODER, recipe.encoder_epochs, None, recipe.rate)
    return (first, replace(whole, name="encoder and decoder"))


def learner_of(phase: Phase, learner: Learner) -> Learner:
    """What learns in a phase: of an encoder alone the naming branch, which shares its tensors."""
    if phase.name != ENCODER:
        return learner
    network, task = learner.network, learner.task
    assert isinstance(network, YNetwork), "the recipe was checked"
    assert isinstance(task, Restoring), "likewise"
    return replace(
        learner,
        network=Network(network.backbone, network.head),
        task=Naming(distorts=task, patterns=network.classes),
    )
