"""Four scenarios of transfer: how many images there are, times how much they resemble the source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Depth = Literal["deep", "early"]


@dataclass(frozen=True)
class Answer:
    """What to do in one scenario.

    Attributes:
        scenario: Its name.
        strategy: Of `medgraft train`, see `medgraft list strategies`.
        depth: Whether a cut is sought among all stages ("deep") or the first half ("early"); None
            keeps the whole network.
        gentle: Whether to use a smaller rate than from random weights.
        sentence: What to do, in words.
    """

    scenario: str
    strategy: str
    depth: Depth | None
    gentle: bool
    sentence: str


FEATURES = Answer(
    "small and similar",
    "linear",
    "deep",
    gentle=False,
    sentence="Keep the network as it is and train only a linear classifier on its features.",
)
EARLY = Answer(
    "small and different",
    "svm",
    "early",
    gentle=False,
    sentence="Keep the network as it is, cut it early, and train a linear SVM on the features there.",
)
TUNE = Answer(
    "large and similar",
    "full",
    None,
    gentle=True,
    sentence="Fine-tune the whole network, at a smaller rate than from random weights.",
)
RETRAIN = Answer(
    "large and different",
    "full",
    None,
    gentle=False,
    sentence="Train the whole network as if from the beginning, but start from these weights.",
)
ANSWERS = (FEATURES, EARLY, TUNE, RETRAIN)


def answer(*, large: bool, similar: bool) -> Answer:
    """The answer for a target of that size and similarity to the source of the weights.

    Source: Kim et al. 2017, the four scenarios of fine-tuning.

    Args:
        large: Whether there are enough labelled images to tune a whole network.
        similar: Whether the features that the weights were trained for suit these images.

    Examples:
        >>> answer(large=False, similar=True).strategy
        'linear'
        >>> answer(large=True, similar=False).sentence
        'Train the whole network as if from the beginning, but start from these weights.'
    """
    if large:
        return TUNE if similar else RETRAIN
    return FEATURES if similar else EARLY
