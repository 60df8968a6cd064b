"""A linear probe: what a linear classifier learns from features, judged on patients it never saw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from medgraft.advise.folds import grouped
from medgraft.evaluate import evaluate, paired

# Ridge penalty: a priori the logits of an image vary with a standard deviation of about three, so
# that few images of many channels are not fitted to certainty.
SPREAD = 9.0


def probe(
    features: np.ndarray, targets: np.ndarray, patients: np.ndarray, *, kind: str
) -> np.ndarray:
    """Probabilities from logistic regressions that learnt from other patients.

    Channels are standardised by the images learnt from. Independent labels are learnt one by one, each
    from the rows where it is known.

    Args:
        features: Shape (N, D).
        targets: Shape (N, K), 1, 0 or NaN; of exclusive classes one 1 per row.
        patients: Shape (N,).
        kind: "exclusive" or "independent".

    Returns:
        Shape (N, K); NaN for unknown rows, and throughout where the patients of a class are too
        few to learn from some and judge others.
    """
    found = np.full(targets.shape, np.nan)
    if kind == "exclusive":
        known = np.flatnonzero(~np.isnan(targets).any(axis=1))
        classes = targets[known].argmax(axis=1)
        if len(np.unique(classes)) == targets.shape[1]:  # else a class is missing altogether
            found[known] = _out_of_fold(features[known], classes, patients[known])
        return found
    for k, column in enumerate(targets.T):
        known = np.flatnonzero(~np.isnan(column))
        classes = column[known].astype(int)
        if len(np.unique(classes)) == 2:
            found[known, k] = _out_of_fold(features[known], classes, patients[known])[:, 1]
    return found


def _out_of_fold(features: np.ndarray, classes: np.ndarray, patients: np.ndarray) -> np.ndarray:
    """Shape (N, number of classes); NaN throughout if there are no folds."""
    found = np.full((len(classes), classes.max() + 1), np.nan)
    for learnt, judged in grouped(classes, patients):
        if len(np.unique(classes[learnt])) < found.shape[1]:
            return np.full_like(found, np.nan)
        found[judged] = _fitted(features[learnt], classes[learnt], features[judged])
    return found


def _fitted(learnt: np.ndarray, classes: np.ndarray, judged: np.ndarray) -> np.ndarray:
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(learnt)
    size = np.sqrt(learnt.shape[1])  # an image has a length of about one
    model = LogisticRegression(C=SPREAD, max_iter=2000).fit(
        scaler.transform(learnt) / size, classes
    )
    return np.asarray(model.predict_proba(scaler.transform(judged) / size))


@dataclass(frozen=True)
class Question:
    """What probabilities are judged on.

    Attributes:
        targets: Shape (N, K), 1, 0 or NaN.
        patients: Whom to resample, shape (N,); None resamples images.
        names: Of the K labels or classes.
        kind: "exclusive" or "independent".
        replicates: Bootstrap replicates.
        seed: Of the replicates.
    """

    targets: np.ndarray
    patients: np.ndarray | None
    names: tuple[str, ...]
    kind: str
    replicates: int
    seed: int

    def auroc(self, probability: np.ndarray) -> dict[str, Any]:
        """AUROC with its interval by patient, as in ``evaluation.json``.

        It is the mean over the labels or classes that could be judged, if there are several.
        """
        if np.isnan(probability).all():
            return {"value": None, "low": None, "high": None, "reason": _TOO_FEW}
        rows, columns = self._judged(probability)
        found = evaluate(
            self.targets[np.ix_(rows, columns)],
            _filled(probability, rows, columns),
            **self._about(rows, columns),
        )
        return dict(found["metrics"]["auroc"])

    def difference(self, first: np.ndarray, second: np.ndarray) -> dict[str, Any] | None:
        """AUROC of `second` minus that of `first`, resampled together; None if undefined."""
        if np.isnan(first).all():
            return None
        rows, columns = self._judged(first)
        found = paired(
            self.targets[np.ix_(rows, columns)],
            _filled(first, rows, columns),
            _filled(second, rows, columns),
            **self._about(rows, columns),
        )
        entry = dict(found["metrics"]["auroc"])
        return None if entry["value"] is None else entry

    def _judged(self, probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns in which anything is known."""
        known = ~np.isnan(probability)
        return np.flatnonzero(known.any(axis=1)), np.flatnonzero(known.any(axis=0))

    def _about(self, rows: np.ndarray, columns: np.ndarray) -> dict[str, Any]:
        return {
            "names": [self.names[k] for k in columns],
            "kind": self.kind,
            "patients": None if self.patients is None else self.patients[rows],
            "metrics": ["auroc"],
            "replicates": self.replicates,
            "seed": self.seed,
        }


def _filled(probability: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """A label that is not known of a row has no truth there, so its number does not count."""
    values = probability[np.ix_(rows, columns)]
    return np.where(np.isnan(values), 0.5, values)


_TOO_FEW = "a class has too few patients to learn from some and judge others"
