"""Whether a training went wrong in one of the ways in which generative models do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medgraft.generate.diversity import FEW, Diversity

TOLD = 0.9  # by so much more a discriminator believes in real images than in samples: it has won
SILENT = 0.1  # nats; codes that differ no more than that from N(0, I) say nothing of an image


@dataclass(frozen=True)
class Verdict:
    """What is to be said of a trained model.

    Attributes:
        spread: See `Diversity`; None if there were too few images to say.
        distinct: Likewise.
        collapsed: Whether samples are too alike.
        troubles: Sentences; none if nothing is known to be wrong.
    """

    spread: float | None
    distinct: float | None
    collapsed: bool
    troubles: tuple[str, ...]


def verdict(
    found: Diversity | None, history: Sequence[Mapping[str, float]], *, smoothing: float = 0.0
) -> Verdict:
    """What is to be said, from the diversity of samples and the last epoch.

    Args:
        found: Of the weights that were taken; None if unknown.
        history: Rows of history.csv.
        smoothing: Of the labels of the discriminator, which keeps it from being sure of real images.
    """
    last = history[-1] if history else {}
    troubles = [
        text
        for text in (_alike(found), _won(last, 1 - smoothing), _silent(last))
        if text is not None
    ]
    if found is None:
        return Verdict(None, None, collapsed=False, troubles=tuple(troubles))
    return Verdict(found.spread, found.distinct, found.collapsed, tuple(troubles))


def _alike(found: Diversity | None) -> str | None:
    if found is None or not found.collapsed:
        return None
    return (
        f"The samples are too alike (mode collapse): their distances are {found.spread:.2f} of those"
        f" among real images, from each to its nearest other {found.distinct:.2f}; {FEW} is the"
        " least. Train for more epochs, or pass another --seed, a lower --rate or, of a dcgan or"
        " vae_gan, a stabiliser such as r1=1."
    )


def _won(last: Mapping[str, float], most: float) -> str | None:
    real, fake = last.get("real_discriminator"), last.get("fake_discriminator")
    if real is None or fake is None or real - fake < TOLD * most:
        return None
    return (
        "The discriminator has won: in the last epoch it took real images for real with"
        f" {real:.2f} and samples with {fake:.2f} on average, so that the generator learnt little."
        " Pass r1=1, a smaller --rate, or train for fewer epochs."
    )


def _silent(last: Mapping[str, float]) -> str | None:
    kl = last.get("kl", last.get("kl_encoder"))
    if kl is None or kl >= SILENT:
        return None
    return (
        f"The codes say nothing of the images: they are {kl:.3f} nats from N(0, I) (posterior"
        " collapse). Pass a smaller beta, or of a vae with mse a smaller noise."
    )
