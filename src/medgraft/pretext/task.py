"""What a pretext task is: images without labels in, a network, its answer and a loss out.

There are three kinds, a file each: `Restoring`, `Classifying` and `Contrasting`. A kind says what
network is needed, what is made of its answer and how that is judged; a task of that kind (a file
in ``tasks/``) says what happens to the images.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from medgraft.nets import Created, EncoderDecoder, Network, YNetwork
from medgraft.pretext.recipe import Pretraining
from medgraft.spec import Options

Shape = tuple[int, ...]
Made = Created[EncoderDecoder] | Created[Network] | Created[YNetwork]


@dataclass(frozen=True)
class Example:
    """What a network sees, and what it should answer.

    Attributes:
        inputs: Float in [0, 1], shape (B, C, *S); of a contrasting task views, (B, V, C, *S).
        targets: Of a restoring task what the images were, float (B, C, *S), and of a contrasting
            one what the views are of, likewise; of a classifying one the numbers of the classes,
            int64 (B,).
        counted: Voxels over which restoring is judged, bool, shape (B, 1, *S); None for all.
    """

    inputs: Tensor
    targets: Tensor
    counted: Tensor | None = None


@dataclass(frozen=True)
class Answer:
    """What a network says to an example; each kind of task has its own part of it.

    Attributes:
        restored: Images in [0, 1], float32 (B, C, *S).
        logits: Of classes, or of the patterns that are named beside restoring, float32
            (B, classes).
        points: Where the views lie in the space in which they are compared, float32 (B, V, D).
    """

    restored: Tensor | None = None
    logits: Tensor | None = None
    points: Tensor | None = None


@dataclass(frozen=True)
class Picture:
    """What a reader is shown of one image.

    Attributes:
        images: By name ("image", "input", ...), float in [0, 1], shape (C, *S).
        facts: What is said of it, as JSON can hold it.
    """

    images: Mapping[str, Tensor]
    facts: Mapping[str, Any]


class Task(Options, ABC):
    """Something to learn from images alone. Abstract, and so are its three kinds.

    Attributes:
        kind: Which of the three, for the record.
        source: Where it is published.
        published: Whether its authors' code has numbers that differ from those of their paper,
            which ``--as-published`` then takes.
        needs_colour: Whether grey images teach nothing.
        needs_patterns: Whether it learns from crops of patterns that were discovered.
        keeps: What of the network is worth keeping besides the encoder.
        over_batch: Whether the loss of an image depends on the others of its batch.
    """

    kind: ClassVar[str]
    source: ClassVar[str]
    published: ClassVar[bool] = False
    needs_colour: ClassVar[bool] = False
    needs_patterns: ClassVar[bool] = False
    keeps: ClassVar[tuple[str, ...]] = ()
    over_batch: ClassVar[bool] = False

    def check(self, *, as_published: bool = False) -> None:
        """Refuse what can be told from the options alone.

        Raises:
            ArgumentError, UnknownNameError: If options do not go together.
            MissingExtraError: If a package that the task needs is not installed.
        """

    @abstractmethod
    def example(
        self, images: Tensor, *, seed: int, samples: np.ndarray, as_published: bool = False
    ) -> Example:
        """Input and target of a batch, on its device; `images` is not written to.

        Args:
            images: Float in [0, 1], shape (B, C, *S).
            seed: Of the epoch.
            samples: A number per image, int64, shape (B,). What happens to an image depends on
                this number and the seed alone, not on its batch.
            as_published: Take the numbers of the authors' code.
        """

    @abstractmethod
    def network(self, recipe: Pretraining, shape: Shape, *, patterns: int | None = None) -> Made:
        """The network that it needs, for images of shape (C, *S), and for so many patterns.

        Raises:
            UnknownNameError: If there is no such backbone or stage.
            WeightsError: If the weights do not fit.
            ShapeError: If the images do not suit the network or the task.
        """

    @abstractmethod
    def answer(self, ask: Callable[[Tensor], Any], inputs: Tensor) -> Answer:
        """What a network says to the inputs of an example.

        Args:
            ask: The network, of inputs (N, C, *S) in [0, 1].
            inputs: Of an example.
        """

    @abstractmethod
    def losses(
        self,
        answer: Answer,
        example: Example,
        patterns: Tensor | None = None,
        *,
        class_weight: float = 0.01,
    ) -> dict[str, Tensor]:
        """What decides (``loss``) and what it is the sum of, each per image, shape (B,).

        Args:
            answer: Of the network.
            example: What it was asked.
            patterns: Numbers of the patterns, int64 (B,), if it names them.
            class_weight: Of the loss of their names, beside 1 of restoring.
        """

    @abstractmethod
    def measured(
        self, answer: Answer, example: Example, patterns: Tensor | None = None
    ) -> dict[str, Tensor]:
        """What else is said of held-out images, each per image, shape (B,)."""

    @abstractmethod
    def measures(self, *, naming: bool) -> tuple[str, ...]:
        """Names of all that `losses` and `measured` give, where patterns are named or not."""

    @abstractmethod
    def choices(self, shape: Shape, *, patterns: int | None, together: int) -> int | None:
        """How many answers there are to choose one from; None where nothing is named.

        Args:
            shape: Spatial shape of the images.
            patterns: How many there are, if they are named.
            together: Images that are judged together, where the loss is one of a batch.
        """

    @abstractmethod
    def pictures(
        self, images: Tensor, example: Example, answer: Answer, patterns: Tensor | None = None
    ) -> list[Picture]:
        """What a reader is shown of each image."""

    def parts(self, recipe: Pretraining) -> dict[str, str]:
        """What the groups of tensors in the file of weights are, and what was left out of it."""
        del recipe
        return {"backbone": "the encoder, stage by stage"}
