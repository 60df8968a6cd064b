"""Where a campaign stands: what is labelled, how far readers agree, and what the models reached."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from medgraft.active.campaign.settings import Open, opened
from medgraft.active.campaign.stopping import reasons_to_stop
from medgraft.files import read_json
from medgraft.index import Index


def status(path: Path) -> dict[str, Any]:
    """Progress, agreement and the curve of a campaign, as plain data.

    Returns:
        `campaign` (name, classes, kind, readers_per_image), `progress`, `seconds` (median of an
        answer by reader), `agreement`, `disputes` (how many wait for an adjudicator), `curve` (a
        row per training: round, labels, auroc with its interval, images judged, run), `stop`
        (rule and why, of the rules that would stop now), and `next` (what to do, in a sentence).

    Raises:
        TableError: If the folder holds no campaign.
    """
    with opened(path) as campaign:
        ledger = campaign.ledger
        progress = ledger.progress()
        curve = _curve(campaign)
        return {
            "campaign": {
                "name": ledger.campaign.name,
                "classes": list(ledger.campaign.names),
                "kind": ledger.campaign.kind,
                "readers_per_image": ledger.campaign.readers_per_image,
            },
            "progress": asdict(progress),
            "disputes": progress.disputes,
            "seconds": ledger.pace(),
            "agreement": asdict(ledger.agreement(patients=_patients(campaign))),
            "curve": curve,
            "stop": reasons_to_stop(campaign),
            "next": _next(campaign, path),
        }


def _patients(campaign: Open) -> dict[str, str] | None:
    index = Index.load(campaign.folder.index)
    if not index.patients_known or index.frame["patient_id"].null_count():
        return None
    return dict(index.frame.select("image_id", "patient_id").iter_rows())


def _curve(campaign: Open) -> list[dict[str, Any]]:
    rows = []
    for place in campaign.folder.rounds():
        if not (place.proposal.is_file() and place.run.evaluation.is_file()):
            continue
        proposal, found = read_json(place.proposal), read_json(place.run.evaluation)
        entry = found["metrics"]["auroc"]
        rows.append(
            {
                "round": place.number,
                "labels": proposal["labels"],
                "auroc": {key: entry.get(key) for key in ("value", "low", "high", "reason")},
                "images": found["n_images"],
                "run": str(place.run.path),
            }
        )
    return rows


def _next(campaign: Open, path: Path) -> str:
    progress = campaign.ledger.progress()
    if not progress.images:
        return f"Queue the first images: medgraft active propose {path}"
    if progress.open:
        return f"{progress.open} images wait for readers: medgraft label {path}"
    told = (
        f"{progress.disputes} images wait for an adjudicator (medgraft label {path}, or"
        f" medgraft active adjudicate {path}), or go on: "
    )
    return f"{told if progress.disputes else ''}medgraft active propose {path}"
