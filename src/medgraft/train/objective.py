"""What the loop trains: named parts, each with its own optimiser, and a loss per part.

Supervised training has one part and one loss. A semantic pretext task has one part and a
weighted sum of two losses. A GAN has two parts, a VAE-GAN three; in each step the loop asks for
the loss of every part in the order of `parts`, and moves only that part by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor, nn

from medgraft.train.batches import Batch


@dataclass(frozen=True)
class Group:
    """Parameters that share a learning rate.

    Attributes:
        name: For the record, such as "layer3".
        parameters: By their name in the part.
        scale: Factor on the rate of the recipe.
    """

    name: str
    parameters: Mapping[str, nn.Parameter]
    scale: float = 1.0


@dataclass(frozen=True)
class Part:
    """Something with parameters that is moved by a loss of its own.

    Attributes:
        module: Whose tensors are saved; parts do not share parameters.
        groups: Its parameters that learn.
        beta1: How slowly adam and adamw forget its gradients, in [0, 1), where no schedule says.
    """

    module: nn.Module
    groups: tuple[Group, ...]
    beta1: float = 0.9


@dataclass(frozen=True)
class Loss:
    """A loss over one batch, as a sum, so that it can be shared out over processes.

    Attributes:
        total: Sum over what was counted; lower is better. Gradients flow through it.
        count: How many terms the sum has; may be zero, which moves nothing.
        terms: Named values for the record, each a mean over the share of this process.
    """

    total: Tensor
    count: float
    terms: Mapping[str, float] = field(default_factory=dict)


class Objective(Protocol):
    """What the loop needs to know."""

    @property
    def parts(self) -> Mapping[str, Part]:
        """In the order in which they are moved within a step."""

    def loss(self, part: str, batch: Batch) -> Loss:
        """The loss that moves `part`."""

    def validate(self) -> dict[str, float]:
        """Scores after an epoch; "score" decides which weights are best (higher is better).

        Without "score", the last weights are the best.
        """
