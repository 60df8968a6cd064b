"""Published settings of studies, by name: what `recipe` of a study file goes on from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from medgraft.registry import unknown_name


@dataclass(frozen=True)
class Protocol:
    """Settings of a paper.

    Attributes:
        recipe: Recipe keys.
        score: Labels whose mean AUROC it judges by, where an index has them all; None for all.
        source: The paper.
    """

    recipe: dict[str, Any]
    score: tuple[str, ...] | None
    source: str


PROTOCOLS = {
    # Adam at 1e-4, batches of 16, three epochs; evaluated every 8,192 *examples* (512 steps of
    # 16), the ten best checkpoints of a run ensembled by the mean of their probabilities; no
    # augmentation; ImageNet statistics with ImageNet weights, those of the images otherwise.
    "chextransfer": Protocol(
        recipe={
            "optimiser": "adam",
            "rate": 1e-4,
            "beta2": 0.999,
            "weight_decay": 0.0,
            "schedule": "constant",
            "clip": None,
            "batch_size": 16,
            "epochs": 3,
            "validate_every": 8192,
            "keep_best": 10,
            "combine": "ensemble",
            "augment": (),
            "size": 320,
            "channels": 3,
        },
        score=(
            "Atelectasis",
            "Cardiomegaly",
            "Consolidation",
            "Edema",
            "Pleural Effusion",
            "No Finding",
        ),
        source="Ke et al. 2021, arXiv:2101.06871",
    ),
}


def find_protocol(name: str) -> Protocol:
    """The protocol of that name.

    Raises:
        UnknownNameError: If there is none.
    """
    if name not in PROTOCOLS:
        raise unknown_name("protocol", name, PROTOCOLS)
    return PROTOCOLS[name]
