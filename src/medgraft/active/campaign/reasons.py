"""Why an image was chosen, for the person who labels it and for the record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from medgraft.active.campaign.looking import Looked
from medgraft.active.distances import Points
from medgraft.active.evidence import Evidence

NEAREST = 3


def reasons(
    looked: Looked,
    chosen: Sequence[int],
    *,
    by: str,
    scores: np.ndarray | None,
    labels: Mapping[str, str],
) -> list[dict[str, Any]]:
    """Why each of the chosen candidates was: rank, score, views that disagree, neighbours.

    Args:
        looked: What is known of the candidates.
        chosen: Rows of them, in the order of the choice.
        by: The acquisition that chose.
        scores: Of all candidates, higher is labelled sooner; None of a selection of sets.
        labels: What each labelled image is, in words.

    Returns:
        Of each candidate, of whose images all are chosen for the same reasons.
    """
    kind = "images" if all(len(group) == 1 for group in looked.candidates) else "groups of images"
    near = _nearest(looked, chosen, labels)
    found = []
    for place, row in enumerate(chosen):
        why: dict[str, Any] = {
            "chosen_by": by,
            "rank": f"{place + 1} of {len(chosen)}, among {len(looked.candidates)} {kind}",
        }
        if scores is not None:
            why["score"] = float(scores[row])
            why["higher_scores"] = int((scores > scores[row]).sum())
        if looked.names and looked.evidence.views[row] > 1:
            why["views_say"] = _views(looked.evidence, row, looked.names)
        if near is not None:
            why["nearest_labelled"] = near[place]
        found.append(why)
    return found


def probabilities(looked: Looked, row: int) -> list[dict[str, float] | None]:
    """What the model says of each image of a candidate as it is; None if no model was asked."""
    if not looked.names:
        return [None] * len(looked.candidates[row])
    count = len(looked.candidates[row]) * looked.views
    plain = np.asarray(looked.evidence.probabilities[row, : count : looked.views])
    return [{name: float(p) for name, p in zip(looked.names, said, strict=True)} for said in plain]


def _views(evidence: Evidence, row: int, names: Sequence[str]) -> dict[str, int]:
    """How many views name each answer."""
    said: Counter[str] = Counter()
    for view in np.asarray(evidence.probabilities[row]):
        if evidence.independent:
            holds = [name for name, p in zip(names, view, strict=True) if p > 0.5]
            said[" and ".join(holds) or "none"] += 1
        else:
            said[names[int(view.argmax())]] += 1
    return dict(said.most_common())


def _nearest(
    looked: Looked, chosen: Sequence[int], labels: Mapping[str, str]
) -> list[list[dict[str, Any]]] | None:
    """The labelled images that lie nearest in feature space, nearest first."""
    evidence = looked.evidence
    if evidence.labelled is None or evidence.features is None:
        return None
    these = Points.of(np.asarray(evidence.features)[list(chosen)])
    distances = np.sqrt(these.square_distances(Points.of(evidence.labelled)))
    found = []
    for row in distances:
        order = np.argsort(row, kind="stable")[:NEAREST]
        found.append(
            [{"label": _said(looked.labelled[k], labels), "distance": float(row[k])} for k in order]
        )
    return found


def _said(group: Sequence[str], labels: Mapping[str, str]) -> str:
    """What the images of a labelled candidate are, each answer once."""
    return ", ".join(dict.fromkeys(labels[name] for name in group))
