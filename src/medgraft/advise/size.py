"""How much there is to learn from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# A linear classifier on D features can give N points in general position any labels as long as
# N <= 2 (D + 1) (Cover 1965). Below that even the smallest part of a network that can be tuned could
# learn the labels by heart, and tuning more of it could only do so more easily.
CAPACITY = 2
# The share of P patients that are answered rightly is known to +-1.96 * 0.5 / sqrt(P) at worst:
# from 100 patients of a class on to about a tenth. With fewer, many images of few patients teach
# more about those patients than about the disease.
PATIENTS = 100


@dataclass(frozen=True)
class Size:
    """Labelled images and patients of a training part.

    Attributes:
        images: By class; of independent labels "NAME" and "no NAME".
        patients: Likewise; a patient may have images of several classes.
        labelled: Images with any label.
        unlabelled: Images without.
        patients_known: Whether patients can be told apart; if not, each image counts as one.
    """

    images: dict[str, int]
    patients: dict[str, int]
    labelled: int
    unlabelled: int
    patients_known: bool

    def share(self, channels: int) -> float:
        """Size relative to what counts as large for features of so many channels: 1 is the border."""
        by_images = self.labelled / (CAPACITY * (channels + 1))
        return min(by_images, min(self.patients.values()) / PATIENTS)

    def limit(self, channels: int) -> str:
        """What keeps `share` from being larger: "images" or "patients"."""
        by_images = self.labelled / (CAPACITY * (channels + 1))
        return "images" if by_images <= min(self.patients.values()) / PATIENTS else "patients"


def measure(
    targets: np.ndarray,
    patients: np.ndarray,
    *,
    names: tuple[str, ...],
    kind: str,
    patients_known: bool,
) -> Size:
    """Count a training part.

    Args:
        targets: Shape (N, K), 1, 0 or NaN.
        patients: Shape (N,).
        names: Of the K labels or classes.
        kind: "exclusive" or "independent".
        patients_known: Whether patients can be told apart.
    """
    chosen = {name: targets[:, k] == 1 for k, name in enumerate(names)}
    if kind == "independent":
        chosen |= {f"no {name}": targets[:, k] == 0 for k, name in enumerate(names)}
    labelled = int((~np.isnan(targets)).any(axis=1).sum())
    return Size(
        images={name: int(rows.sum()) for name, rows in chosen.items()},
        patients={name: len(np.unique(patients[rows])) for name, rows in chosen.items()},
        labelled=labelled,
        unlabelled=len(targets) - labelled,
        patients_known=patients_known,
    )
