"""Tasks that tell views of one image from views of others: an encoder and a projection."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medgraft.augment import Augmenter
from medgraft.nets import create_with
from medgraft.nets.heads import GlobalAverage
from medgraft.pretext.recipe import Pretraining
from medgraft.pretext.task import Answer, Example, Made, Picture, Shape, Task
from medgraft.seeds import derive

VIEWS = 2


class Contrasting(Task):
    """Put two views of an image near to one another, and far from views of others. Abstract.

    The loss is one of a whole batch: the other images of a batch are what a view must be told
    from. Of several processes each contrasts its own share of a batch.
    """

    kind: ClassVar[str] = "contrasting"
    over_batch: ClassVar[bool] = True

    @abstractmethod
    def augmenter(self, dims: int) -> Augmenter:
        """What makes views of images of so many spatial axes."""

    @abstractmethod
    def projection(self, channels: int) -> nn.Module:
        """From averaged maps, (N, channels), to the points that are compared, (N, D).

        Raises:
            MissingExtraError: If the package that it comes from is not installed.
        """

    @abstractmethod
    def contrast(self, one: Tensor, two: Tensor) -> Tensor:
        """The loss of a batch, a number; lower is better.

        Args:
            one: Points of the first views, float32 (B, D).
            two: Of the second views.
        """

    def example(
        self, images: Tensor, *, seed: int, samples: np.ndarray, as_published: bool = False
    ) -> Example:
        """Two views of each image."""
        del as_published
        shape = images.shape[2:]
        augmenter = self.augmenter(len(shape))
        seeds = (derive(seed, "view", view) for view in range(VIEWS))
        draws = (augmenter.draw(len(images), shape, own, samples=samples) for own in seeds)
        return Example(torch.stack([augmenter.apply(images, draw) for draw in draws], 1), images)

    def network(self, recipe: Pretraining, shape: Shape, *, patterns: int | None = None) -> Made:
        """An encoder, the average of its maps and the projection."""
        del patterns

        def head(channels: int) -> nn.Sequential:
            made = nn.Sequential()
            made.add_module("pool", GlobalAverage())
            made.add_module("project", self.projection(channels))
            return made

        return create_with(
            head,
            recipe.backbone,
            in_channels=shape[0],
            weights=recipe.weights,
            after=recipe.after,
        )

    def answer(self, ask: Callable[[Tensor], Any], inputs: Tensor) -> Answer:
        """Points of all views, in one pass."""
        points: Tensor = ask(inputs.flatten(0, 1)).float()
        return Answer(points=points.reshape(*inputs.shape[:2], -1))

    def losses(
        self,
        answer: Answer,
        example: Example,
        patterns: Tensor | None = None,
        *,
        class_weight: float = 0.01,
    ) -> dict[str, Tensor]:
        """The loss of the batch, which is that of each of its images."""
        del example, patterns, class_weight
        one, two = _views(answer)
        with torch.autocast(one.device.type, enabled=False):  # similarities need their digits
            loss = self.contrast(one, two)
        return {"loss": loss.expand(len(one))}

    def measured(
        self, answer: Answer, example: Example, patterns: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Share of the two views that lie nearest to one another."""
        del example, patterns
        return {"accuracy": found_first(*_views(answer))}

    def measures(self, *, naming: bool) -> tuple[str, ...]:
        """Loss and accuracy."""
        del naming
        return ("loss", "accuracy")

    def choices(self, shape: Shape, *, patterns: int | None, together: int) -> int | None:
        """All views that are judged together but the one whose partner is sought."""
        del shape, patterns
        return VIEWS * together - 1

    def pictures(
        self, images: Tensor, example: Example, answer: Answer, patterns: Tensor | None = None
    ) -> list[Picture]:
        """An image and both its views, how alike these are, and how many of them find the other."""
        del patterns
        one, two = _views(answer)
        found = (VIEWS * found_first(one, two)).int().tolist()
        alike = F.cosine_similarity(one, two).tolist()
        return [
            Picture(
                {"image": image, "input": views[0], "second": views[1]},
                {"similarity": round(similarity, 6), "found": count},
            )
            for image, views, similarity, count in zip(
                images, example.inputs, alike, found, strict=True
            )
        ]

    def parts(self, recipe: Pretraining) -> dict[str, str]:
        """The encoder alone is kept."""
        left_out = "left out: it makes the points that views are compared by"
        return {**super().parts(recipe), "head": left_out}


def _views(answer: Answer) -> tuple[Tensor, Tensor]:
    assert answer.points is not None, "a contrasting task answers with points"
    return answer.points[:, 0], answer.points[:, 1]


def found_first(one: Tensor, two: Tensor) -> Tensor:
    """Of the two views of each image, the share to which the other is nearest of all, (B,).

    Nearest by the cosine of the angle, among the views of all images.

    Args:
        one: Points of the first views, (B, D).
        two: Of the second views.

    Examples:
        >>> one, two = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[2.0, 0.1], [5.0, 1.0]])
        >>> found_first(one, two)
        tensor([1.0000, 0.5000])
    """
    points = F.normalize(torch.cat([one, two]).float(), dim=1)
    alike = (points @ points.T).fill_diagonal_(-torch.inf)
    partner = torch.arange(len(points), device=points.device).roll(len(one))
    return (alike.argmax(dim=1) == partner).float().reshape(VIEWS, -1).mean(dim=0)
