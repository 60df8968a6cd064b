"""Five findings drawn onto a chest film, each with its own sign; the truth about them is known.

The signs are crude, and no radiologist would be deceived: they show whether software learns from
labels, never how well it reads films.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from medgraft.seeds import generator

PREVALENCE = 0.25  # of each finding among patients, independent of the others
FAINTEST = 0.35  # brightness of the faintest sign, as a share of the strongest


@dataclass(frozen=True)
class Finding:
    """One finding of one patient.

    Attributes:
        strength: In (0, 1]; the faintest are hardly seen. 0 where it is absent.
        side: -1 left on the picture, 1 right.
        row: Where it lies, from -1 to 1 within what is usual for it.
        size: From -1 to 1 likewise.
    """

    strength: float
    side: int
    row: float
    size: float


def draw_findings(patient: str, seed: int) -> dict[str, Finding]:
    """What a patient has, the same on all films.

    Examples:
        >>> drawn = [draw_findings(f"p{k}", 0)["Edema"].strength > 0 for k in range(1000)]
        >>> 0.2 < sum(drawn) / 1000 < 0.3
        True
    """
    found = {}
    for name in SIGNS:
        rng = generator(seed, "finding", patient, name)
        there = rng.random() < PREVALENCE
        strength, row, size = 1 - rng.random(), *rng.uniform(-1, 1, 2)
        found[name] = Finding(
            strength if there else 0.0, int(rng.choice([-1, 1])), float(row), float(size)
        )
    return found


def show(picture: np.ndarray, findings: dict[str, Finding], *, contrast: float) -> np.ndarray:
    """A film with its findings.

    Args:
        picture: In [0, 1], shape (H, W), the patient upright.
        findings: What `draw_findings` decided.
        contrast: Brightness of the signs, 0 (invisible) to 1.

    Returns:
        Shape (H, W), in [0, 1], float32.
    """
    height, width = picture.shape
    y, x = np.meshgrid(
        (np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width, indexing="ij"
    )
    light = picture.astype(np.float32)
    for name, finding in findings.items():
        if finding.strength > 0:
            bright = FAINTEST + (1 - FAINTEST) * finding.strength
            light = light + contrast * bright * SIGNS[name](y, x, finding).astype(np.float32)
    return np.clip(light, 0, 1)


def _atelectasis(y: np.ndarray, x: np.ndarray, of: Finding) -> np.ndarray:
    """A bright band, nearly level, in one lung."""
    down, across = y - (0.58 + 0.1 * of.row), x - (0.5 + 0.2 * of.side)
    tilt = down - 0.25 * of.size * across
    band: np.ndarray = np.exp(-((across / 0.11) ** 4)) * np.exp(-((tilt / 0.018) ** 2))
    return 0.5 * band


def _cardiomegaly(y: np.ndarray, x: np.ndarray, of: Finding) -> np.ndarray:
    """A heart that reaches far to the left of the patient."""
    reach = 0.2 + 0.03 * of.size
    return 0.3 * _blob(np.hypot((y - 0.66 - 0.02 * of.row) / 0.8, x - 0.56) / reach)


def _consolidation(y: np.ndarray, x: np.ndarray, of: Finding) -> np.ndarray:
    """A round patch in one lung."""
    radius = 0.08 + 0.015 * of.size
    return 0.4 * _blob(np.hypot(y - 0.4 - 0.12 * of.row, x - 0.5 - 0.21 * of.side) / radius)


def _edema(y: np.ndarray, x: np.ndarray, of: Finding) -> np.ndarray:
    """A haze around both hila."""
    haze = [
        np.exp(-((y - 0.45 - 0.03 * of.row) ** 2 + (x - 0.5 - side * 0.17) ** 2) / 0.028)
        for side in (-1, 1)
    ]
    return (0.22 + 0.03 * of.size) * np.maximum(*haze)


def _effusion(y: np.ndarray, x: np.ndarray, of: Finding) -> np.ndarray:
    """A bright lower corner of one lung, its surface rising towards the chest wall."""
    outward = of.side * (x - 0.5)
    surface = 0.7 - 0.04 * of.row - 0.6 * np.clip(outward - 0.1, 0, None) ** 1.5
    within = (outward > 0.08) & (outward < 0.4)
    corner: np.ndarray = within * (0.5 + 0.5 * np.tanh((y - surface) / 0.03))
    return (0.4 + 0.05 * of.size) * corner


def _blob(distance: np.ndarray) -> np.ndarray:
    """1 in the middle, 0.5 at distance 1, soft."""
    soft: np.ndarray = 0.5 - 0.5 * np.tanh((distance - 1) / 0.3)
    return soft


SIGNS: dict[str, Callable[[np.ndarray, np.ndarray, Finding], np.ndarray]] = {
    "Atelectasis": _atelectasis,
    "Cardiomegaly": _cardiomegaly,
    "Consolidation": _consolidation,
    "Edema": _edema,
    "Pleural Effusion": _effusion,
}
