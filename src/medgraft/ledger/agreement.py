"""How far the readers of a campaign agree, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from medgraft.evaluate.agreement import cohen_kappa, fleiss_kappa
from medgraft.evaluate.bootstrap import draw
from medgraft.evaluate.estimate import estimate
from medgraft.ledger.campaign import Campaign
from medgraft.ledger.records import Reading

Floats = npt.NDArray[np.float64]
Answers = dict[str, dict[str, int]]  # image: reader: number of the class


@dataclass(frozen=True)
class Kappa:
    """One kappa.

    Attributes:
        readers: Two for Cohen's; all who take part for Fleiss'.
        label: The independent class that it is about; None for exclusive classes.
        images: How many it was computed from.
        agreed: On how many of them all who read them said the same.
        value: Kappa; None where it is undefined.
        low: Lower end of the 95 % interval; None where there is none.
        high: Upper end.
        reason: Why a number is missing; "" if none is.
    """

    readers: tuple[str, ...]
    label: str | None
    images: int
    agreed: int
    value: float | None
    low: float | None
    high: float | None
    reason: str


@dataclass(frozen=True)
class Agreement:
    """How far readers agree, by what they say as of now.

    Attributes:
        pairs: Cohen's kappa of every two readers who answered the same images.
        all: Fleiss' kappa over the images with an answer of as many readers as the campaign wants;
            empty where it wants one.
        unsure: Images left out of some of them because a reader was unsure.
        unit: What the intervals draw: "patient", or "image" where patients are not known.
    """

    pairs: tuple[Kappa, ...]
    all: tuple[Kappa, ...]
    unsure: int
    unit: str


def agreement(
    campaign: Campaign,
    readings: Sequence[Reading],
    *,
    patients: Mapping[str, str] | None = None,
    replicates: int = 1000,
    seed: int = 0,
) -> Agreement:
    """Cohen's kappa of every pair and Fleiss' of all, with bootstrapped 95 % intervals.

    Args:
        campaign: Which classes there are.
        readings: What everybody says.
        patients: Whose image each is; images are drawn where None.
        replicates: Bootstrap replicates.
        seed: Of them.
    """
    pairs: list[Kappa] = []
    together: list[Kappa] = []
    for label, classes, answers in _questions(campaign, readings):
        units = _Units(sorted(answers), patients, replicates, seed)
        readers = sorted({reader for said in answers.values() for reader in said})
        for first, second in combinations(readers, 2):
            both = [image for image in units.images if {first, second} <= answers[image].keys()]
            if both:
                pairs.append(_cohen((first, second), label, classes, answers, both, units))
        if campaign.readers_per_image > 1:
            together.append(_fleiss(campaign, label, classes, answers, units))
    unsure = {one.image_id for one in readings if one.act == "unsure"}
    unit = "image" if patients is None else "patient"
    return Agreement(tuple(pairs), tuple(together), len(unsure), unit)


def _questions(
    campaign: Campaign, readings: Sequence[Reading]
) -> list[tuple[str | None, int, Answers]]:
    """What was asked: once for exclusive classes, and for each independent one."""
    exclusive = campaign.kind == "exclusive"
    asked = [(None, len(campaign.names))] if exclusive else [(name, 2) for name in campaign.names]
    found = []
    for label, classes in asked:
        answers: Answers = {}
        for one in readings:
            if one.labels is not None:
                number = campaign.names.index(one.labels[0]) if exclusive else label in one.labels
                answers.setdefault(one.image_id, {})[one.reader] = int(number)
        found.append((label, classes, answers))
    return found


class _Units:
    """What is drawn: patients with all their images, or images. Final."""

    def __init__(
        self, images: list[str], patients: Mapping[str, str] | None, replicates: int, seed: int
    ) -> None:
        self.images, self.replicates, self.seed = images, replicates, seed
        self.name = "image" if patients is None else "patient"
        self.of = {image: image if patients is None else patients[image] for image in images}

    def counts(self, images: list[str]) -> tuple[int, Floats]:
        """How many units these images are of; how often each replicate counts each image."""
        units = sorted({self.of[image] for image in images})
        place = {unit: number for number, unit in enumerate(units)}
        rows = [place[self.of[image]] for image in images]
        drawn = draw(len(units), self.replicates, self.seed)
        return len(units), drawn[:, rows].astype(np.float64)


def _cohen(
    readers: tuple[str, str],
    label: str | None,
    classes: int,
    answers: Answers,
    images: list[str],
    units: _Units,
) -> Kappa:
    said = np.array([[answers[image][reader] for reader in readers] for image in images])
    cells = np.zeros((len(images), classes * classes))
    cells[np.arange(len(images)), said[:, 0] * classes + said[:, 1]] = 1

    def kappa(counts: Floats) -> Floats:
        return cohen_kappa((counts @ cells).reshape(-1, classes, classes))

    agreed = int((said[:, 0] == said[:, 1]).sum())
    return _kappa(readers, label, images, agreed, kappa, units)


def _fleiss(
    campaign: Campaign, label: str | None, classes: int, answers: Answers, units: _Units
) -> Kappa:
    wanted = campaign.readers_per_image
    images = [image for image in units.images if len(answers[image]) == wanted]
    votes = np.zeros((len(images), classes))
    for row, image in enumerate(images):
        for number in answers[image].values():
            votes[row, number] += 1
    readers = sorted({reader for image in images for reader in answers[image]})
    agreed = int((votes.max(axis=1, initial=0) == wanted).sum())
    return _kappa(
        tuple(readers), label, images, agreed, lambda counts: fleiss_kappa(votes, counts), units
    )


def _kappa(
    readers: tuple[str, ...],
    label: str | None,
    images: list[str],
    agreed: int,
    formula: Callable[[Floats], Floats],
    units: _Units,
) -> Kappa:
    if not images:
        reason = "no image has as many answers as the campaign wants"
        return Kappa(readers, label, 0, 0, None, None, None, reason)
    value = float(formula(np.ones((1, len(images))))[0])
    count, counts = units.counts(images)
    reason = "" if not np.isnan(value) else "all answers are of one class"
    entry = estimate(value, formula(counts), reason=reason, units=count, unit=units.name)
    return Kappa(
        readers,
        label,
        len(images),
        agreed,
        entry["value"],
        entry["low"],
        entry["high"],
        entry.get("reason", ""),
    )
