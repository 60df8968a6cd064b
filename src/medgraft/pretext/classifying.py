"""Tasks that name what was done to an image: an encoder and a head of classes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

from torch import Tensor
from torch.nn import functional as F

from medgraft.nets import create
from medgraft.pretext.recipe import Pretraining
from medgraft.pretext.task import Answer, Example, Made, Picture, Shape, Task


class Classifying(Task):
    """Name what was done to an image. Abstract."""

    kind: ClassVar[str] = "classifying"

    @abstractmethod
    def classes(self, shape: Shape) -> int:
        """How many classes there are for images of that spatial shape.

        Raises:
            ShapeError: If there is nothing to tell apart in such images.
        """

    def network(self, recipe: Pretraining, shape: Shape, *, patterns: int | None = None) -> Made:
        """An encoder and a linear head."""
        del patterns
        return create(
            recipe.backbone,
            in_channels=shape[0],
            classes=self.classes(shape[1:]),
            weights=recipe.weights,
            after=recipe.after,
        )

    def answer(self, ask: Callable[[Tensor], Any], inputs: Tensor) -> Answer:
        """Logits."""
        return Answer(logits=ask(inputs).float())

    def losses(
        self,
        answer: Answer,
        example: Example,
        patterns: Tensor | None = None,
        *,
        class_weight: float = 0.01,
    ) -> dict[str, Tensor]:
        """Cross-entropy."""
        del patterns, class_weight
        return {"loss": cross_entropy(_logits(answer), example.targets)}

    def measured(
        self, answer: Answer, example: Example, patterns: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Whether the class was named."""
        del patterns
        return {"accuracy": named(_logits(answer), example.targets)}

    def measures(self, *, naming: bool) -> tuple[str, ...]:
        """Loss and accuracy."""
        del naming
        return ("loss", "accuracy")

    def choices(self, shape: Shape, *, patterns: int | None, together: int) -> int | None:
        """The classes."""
        del patterns, together
        return self.classes(shape)

    def pictures(
        self, images: Tensor, example: Example, answer: Answer, patterns: Tensor | None = None
    ) -> list[Picture]:
        """An image as it was and as the network saw it, and what it was called."""
        del patterns
        called = _logits(answer).argmax(dim=1).tolist()
        return [
            Picture({"image": image, "input": seen}, {"actual": actual, "answered": answered})
            for image, seen, actual, answered in zip(
                images, example.inputs, example.targets.tolist(), called, strict=True
            )
        ]

    def parts(self, recipe: Pretraining) -> dict[str, str]:
        """The encoder alone is kept."""
        return {**super().parts(recipe), "head": LEFT_OUT}


LEFT_OUT = "left out: its classes are those of the pretraining"


def _logits(answer: Answer) -> Tensor:
    assert answer.logits is not None, "a classifying task answers with logits"
    return answer.logits


def named(logits: Tensor, classes: Tensor) -> Tensor:
    """1 where the likeliest class is the right one, else 0, float32 (B,).

    Examples:
        >>> import torch
        >>> named(torch.tensor([[0.0, 2.0], [3.0, 1.0]]), torch.tensor([1, 1]))
        tensor([1., 0.])
    """
    return (logits.argmax(dim=1) == classes).float()


def cross_entropy(logits: Tensor, classes: Tensor) -> Tensor:
    """The negative logarithm of the probability of the right class, natural, shape (B,).

    It stays finite however sure a wrong answer is.

    Examples:
        >>> import torch
        >>> print(f"{cross_entropy(torch.zeros(1, 44), torch.tensor([3])).item():.4f}")  # log 44
        3.7842
    """
    return F.cross_entropy(logits, classes, reduction="none")
