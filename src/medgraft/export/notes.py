"""What an exported file says of itself: enough to prepare an image and to read the answer."""

from __future__ import annotations

import json
from typing import Any

from medgraft import __version__
from medgraft.runs import RunFolder

FROM_RECORD = (  # keys of weights.json; none of them names a patient or a path
    "labels",
    "kind",
    "positive",
    "threshold",
    "steps",
    "input_size",
    "channels",
    "scale",
    "mean",
    "std",
    "backbone",
    "after",
    "licence",
)


def notes_of(run: RunFolder, record: dict[str, Any]) -> dict[str, Any]:
    """Notes of a run, ready for `written`.

    Args:
        run: The run.
        record: What its weights.json says.
    """
    return {
        "medgraft": __version__,
        **{key: record.get(key) for key in FROM_RECORD},
        "weights_sha256": record["hash"],
        "card": _card(run),
    }


def written(notes: dict[str, Any]) -> dict[str, str]:
    """Every note as JSON, so that one rule reads them all.

    Examples:
        >>> written({"labels": ["healthy", "ill"], "positive": None})
        {'labels': '["healthy", "ill"]', 'positive': 'null'}
    """
    return {key: json.dumps(value, allow_nan=False) for key, value in notes.items()}


def _card(run: RunFolder) -> str | None:
    """What the model card says before its first section: the result, and what it is not for."""
    if not run.card.is_file():
        return None
    opening = run.card.read_text(encoding="utf-8").partition("\n## ")[0]
    lines = (line.strip() for line in opening.splitlines()[1:])
    return " ".join(line for line in lines if line)
