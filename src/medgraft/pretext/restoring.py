"""Tasks that undo a distortion: an encoder and a decoder, and names of patterns if they are known."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from medgraft.nets import Created, EncoderDecoder, YNetwork, create_dense, create_y
from medgraft.pretext.classifying import LEFT_OUT, cross_entropy, named
from medgraft.pretext.distorter import Distorter
from medgraft.pretext.recipe import Pretraining
from medgraft.pretext.task import Answer, Example, Made, Picture, Shape, Task


class Restoring(Task):
    """Undo a distortion: encoder and decoder answer with the image as it was. Abstract.

    Any such task can name the patterns of its crops as well (Semantic Genesis).

    Attributes:
        skips: Whether the decoder sees more than the deepest maps.
        only_hidden: Whether the loss counts hidden voxels alone, and not the whole image.
    """

    kind: ClassVar[str] = "restoring"
    keeps: ClassVar[tuple[str, ...]] = ("decoder",)
    skips: ClassVar[bool] = True
    only_hidden: ClassVar[bool] = False

    @abstractmethod
    def distorter(self, dims: int, *, as_published: bool = False) -> Distorter:
        """What is done to images of so many spatial axes."""

    def check(self, *, as_published: bool = False) -> None:
        """Options that go together are checked by the distortions."""
        self.distorter(2, as_published=as_published)

    def example(
        self, images: Tensor, *, seed: int, samples: np.ndarray, as_published: bool = False
    ) -> Example:
        """Distorted images, and what they were."""
        shape = images.shape[2:]
        distorter = self.distorter(len(shape), as_published=as_published)
        draw = distorter.draw(len(images), shape, seed, samples=samples)
        inputs, targets = distorter.apply(images, draw)
        return Example(
            inputs, targets, distorter.hidden(draw, images.device) if self.only_hidden else None
        )

    def network(self, recipe: Pretraining, shape: Shape, *, patterns: int | None = None) -> Made:
        """An encoder and a decoder; with patterns to name, a head beside it."""
        settings: dict[str, Any] = {
            "in_channels": shape[0],
            "out_channels": shape[0],
            "weights": recipe.weights,
            "after": recipe.after,
            "upsampling": recipe.upsampling,
            "skips": self.skips,
        }
        made: Created[EncoderDecoder] | Created[YNetwork]
        if patterns is None:
            made = create_dense(recipe.backbone, **settings)
        else:
            made = create_y(recipe.backbone, classes=patterns, **settings)
        made.network.check_sides(shape[1:])
        return made

    def answer(self, ask: Callable[[Tensor], Any], inputs: Tensor) -> Answer:
        """Restored images, and of a network of two branches logits of the patterns."""
        found = ask(inputs)
        if isinstance(found, tuple):
            return Answer(restored=torch.sigmoid(found[0].float()), logits=found[1].float())
        return Answer(restored=torch.sigmoid(found.float()))

    def losses(
        self,
        answer: Answer,
        example: Example,
        patterns: Tensor | None = None,
        *,
        class_weight: float = 0.01,
    ) -> dict[str, Tensor]:
        """Squared error, plus a share of the cross-entropy of the patterns, if they are named.

        Source: Haghighi et al. 2020 (Semantic Genesis), arXiv:2007.06959: the loss of restoring
        plus a hundredth of that of naming.
        """
        restoring = squared_error(_restored(answer), example.targets, example.counted)
        if answer.logits is None or patterns is None:
            return {"loss": restoring}
        naming = cross_entropy(answer.logits, patterns)
        return {"loss": restoring + class_weight * naming, "restoring": restoring, "naming": naming}

    def measured(
        self, answer: Answer, example: Example, patterns: Tensor | None = None
    ) -> dict[str, Tensor]:
        """The error of leaving the input as it is, and whether the pattern was named."""
        found = {"input": squared_error(example.inputs, example.targets, example.counted)}
        if answer.logits is not None and patterns is not None:
            found["accuracy"] = named(answer.logits, patterns)
        return found

    def measures(self, *, naming: bool) -> tuple[str, ...]:
        """Loss and error of the input; of two branches both losses and accuracy as well."""
        return ("loss", "restoring", "naming", "accuracy", "input") if naming else ("loss", "input")

    def choices(self, shape: Shape, *, patterns: int | None, together: int) -> int | None:
        """The patterns, if they are named."""
        del shape, together
        return patterns

    def pictures(
        self, images: Tensor, example: Example, answer: Answer, patterns: Tensor | None = None
    ) -> list[Picture]:
        """An image as it was, as the network saw and as it restored it; the name of a pattern.

        Where hidden voxels alone are judged, the others are shown as they were: what the network
        makes of them is nothing that it learnt.
        """
        del images  # the targets are the images, mirrored if the input is
        restored, name = _restored(answer), "restored"
        errors = squared_error(restored, example.targets, example.counted).tolist()
        if example.counted is not None:
            restored, name = torch.where(example.counted, restored, example.targets), "filled"
        shown = []
        for number, error in enumerate(errors):
            facts: dict[str, Any] = {"error": round(error, 6)}
            if answer.logits is not None and patterns is not None:
                answered = int(answer.logits[number].argmax())
                facts |= {"actual": int(patterns[number]), "answered": answered}
            drawn = {
                "image": example.targets[number],
                "input": example.inputs[number],
                name: restored[number],
            }
            shown.append(Picture(drawn, facts))
        return shown

    def parts(self, recipe: Pretraining) -> dict[str, str]:
        """Encoder and decoder are kept."""
        skips = "with skips" if self.skips else "without skips"
        found = {
            **super().parts(recipe),
            "decoder": f"from the deepest maps to the image, {skips}, {recipe.upsampling}",
            "output": "left out: it makes the restored image of the decoder's maps",
        }
        return found if recipe.semantic is None else {**found, "head": LEFT_OUT}


def _restored(answer: Answer) -> Tensor:
    assert answer.restored is not None, "a restoring task answers with images"
    return answer.restored


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
