"""From evidence to an answer: how large, how similar, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medgraft.advise.scenario import Answer, answer
from medgraft.advise.size import CAPACITY, PATIENTS, Size
from medgraft.advise.stages import Stages

# Median over the stages, in variances of the source (see `frechet.per_channel`). Of the ImageNet weights
# of ResNet-18 and MobileNetV2 photographs lie at 0.05 to 0.16, their negatives and grey versions too;
# what has no structure at all (noise, blurred noise, empty images) lies at 0.6 to 1.1.
FAR = 0.5
NEAR = 2.0  # times over or under a border: measured again, it might fall on the other side
WIDE = 0.1  # half the width of a probe's interval: the order of the stages is then mostly chance
CHANCE = 0.5  # AUROC of a classifier that knows nothing
CONFIDENCE = ("high", "moderate", "low")  # with no doubt, one, and more


@dataclass(frozen=True)
class Judgement:
    """An advice.

    Attributes:
        answer: What to do.
        other: The answer that would be right if the least certain judgement were wrong.
        cut: Last stage to keep; None keeps all.
        other_cut: Likewise, for `other`.
        large: Whether there are enough labelled images to tune a whole network.
        similar: Whether the features of the weights suit these images.
        reasons: Why, as sentences.
        doubts: Why it might be wrong, as sentences.
    """

    answer: Answer
    other: Answer
    cut: str | None
    other_cut: str | None
    large: bool
    similar: bool
    reasons: tuple[str, ...]
    doubts: tuple[str, ...]

    @property
    def confidence(self) -> str:
        """high, moderate or low."""
        return CONFIDENCE[min(len(self.doubts), 2)]


@dataclass(frozen=True)
class _Side:
    """On which side of a border something lies."""

    yes: bool
    margin: float  # 1 at the border, larger the further away on either side
    reasons: tuple[str, ...]
    doubts: tuple[str, ...]


def judge(size: Size, stages: Stages) -> Judgement:
    """The advice for a target of that size whose features are worth that much.

    Args:
        size: How much there is to learn from.
        stages: What the features after each stage are worth.
    """
    large = _large(size, stages.found[-1].channels)
    similar = _similar(stages)
    chosen = answer(large=large.yes, similar=similar.yes)
    other = _other(large, similar, stages)
    return Judgement(
        chosen,
        other,
        _cut(chosen, stages),
        _cut(other, stages),
        large.yes,
        similar.yes,
        (*large.reasons, *similar.reasons, *_cut_reasons(chosen, stages)),
        (*large.doubts, *similar.doubts, *_probe_doubts(stages)),
    )


def _other(large: _Side, similar: _Side, stages: Stages) -> Answer:
    """The answer if the less certain side were the other one, unless that is the same training.

    With many images both answers tune everything. With few, an early cut may be the best one of
    all stages too; then the answers differ in the classifier alone, which teaches nothing.
    """
    sized = answer(large=not large.yes, similar=similar.yes)
    if large.yes or large.margin <= similar.margin:
        return sized
    chosen = answer(large=large.yes, similar=similar.yes)
    other = answer(large=large.yes, similar=not similar.yes)
    return sized if _cut(other, stages) == _cut(chosen, stages) else other


def _large(size: Size, channels: int) -> _Side:
    share = size.share(channels)
    least = min(size.images, key=lambda name: size.images[name])
    needed = CAPACITY * (channels + 1)
    fewest = min(size.patients.values())
    whose = "patients" if size.patients_known else "images (patients are not known)"
    reason = (
        f"{size.labelled:,} labelled training images, {size.images[least]:,} of the rarest class"
        f" ({least}), from {fewest:,} {whose}: {'many' if share >= 1 else 'few'}."
        f" Many begins at {needed:,} images, twice the {channels:,} features of the network and"
        f" one, and at {PATIENTS} patients of each class."
    )
    doubts = []
    if 1 / NEAR < share < NEAR:
        doubts.append(
            f"The number of {size.limit(channels)} is within a factor of two of the border."
        )
    if not size.patients_known:
        doubts.append("Patients are not known, so every image counted as one.")
    return _Side(share >= 1, float(max(share, 1 / max(share, 1e-9))), (reason,), tuple(doubts))


def _similar(stages: Stages) -> _Side:
    """Labels decide where they can; else the statistics of the source do."""
    gain, distance = stages.gain, typical_distance(stages)
    by_labels = None if gain is None or not gain["excludes_zero"] else gain["value"] > 0
    by_source = None if distance is None else distance < FAR
    reasons, doubts = [], []
    if gain is not None:
        reasons.append(_gain_sentence(gain))
    if distance is not None:
        reasons.append(
            f"Inside the network these images lie {distance:.2f} source variances from those that"
            f" the weights were trained on (0: the same; below {FAR:g} counts as similar)."
        )
        if FAR / NEAR < distance < FAR * NEAR and by_labels is None:
            doubts.append("That distance is within a factor of two of the border.")
    else:
        doubts.append("The network keeps no statistics of its source (no batch norms).")
    if by_labels is None:
        doubts.append("The labels cannot tell deep features from early ones.")
    elif by_source is not None and by_source != by_labels:
        doubts.append(
            "The evidence conflicts: by distance the images are"
            f" {'similar' if by_source else 'different'}, by what the features are worth"
            f" {'similar' if by_labels else 'different'}. The latter was believed."
        )
    verdicts = [verdict for verdict in (by_labels, by_source) if verdict is not None]
    if distance is None or by_labels is not None:
        margin = 1.0 if by_labels is None else NEAR
    else:
        margin = max(distance / FAR, FAR / max(distance, 1e-9))
    return _Side(verdicts[0] if verdicts else True, margin, tuple(reasons), tuple(doubts))


def typical_distance(stages: Stages) -> float | None:
    """Median over the stages of their distance from the source; None if no stage knows it."""
    known = [stage.distance for stage in stages.found if stage.distance is not None]
    return float(np.median(known)) if known else None


def _gain_sentence(gain: dict[str, float]) -> str:
    low, high = gain["low"], gain["high"]
    between = "" if low is None else f" (95 % interval {low:+.3f} to {high:+.3f})"
    verdict = (
        "no clear difference"
        if not gain["excludes_zero"]
        else "deep features suit the labels better"
        if gain["value"] > 0
        else "early features suit the labels better"
    )
    return (
        f"A linear classifier gains {gain['value']:+.3f} AUROC{between} from features after"
        f" {gain['deep']} over those after {gain['early']}: {verdict}."
    )


def _cut(chosen: Answer, stages: Stages) -> str | None:
    return None if chosen.depth is None else stages.best(chosen.depth).name


def _cut_reasons(chosen: Answer, stages: Stages) -> tuple[str, ...]:
    if chosen.depth is None:
        return ()
    best = stages.best(chosen.depth)
    which = "all stages" if chosen.depth == "deep" else "the early stages"
    measure = "LogME" if best.auroc["value"] is None else "linear classifier and LogME together"
    return (f"Of {which} the features after {best.name} are best, by {measure}.",)


def _probe_doubts(stages: Stages) -> tuple[str, ...]:
    stage = stages.best("deep")
    best = stage.auroc
    if best["value"] is None:
        return (f"No classifier could be judged: {best.get('reason', 'undefined')}.",)
    if best["low"] is None:
        return ("The classifiers have no interval.",)
    doubts = []
    if best["low"] <= CHANCE:
        doubts.append(
            "No stage is known to be better than chance: more labels, larger images or other weights"
            " may be needed before any of this matters."
        )
    if best["high"] - best["low"] > 2 * WIDE:
        doubts.append(
            f"The AUROC after {stage.name} is known to {best['low']:.2f}-{best['high']:.2f} only:"
            " the order of the stages is mostly chance."
        )
    return tuple(doubts)
