"""The page of prepared films, from what the preparation saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medgraft.files import read_json, write_text
from medgraft.report.pictures import JPEG, embedded
from medgraft.report.template import fill_page
from medgraft.report.words import count, file_name, shorten

PARTS = {"before": "As it came", "kept": "Kept", "removed": "Removed", "after": "Prepared"}


def write_prepared(folder: Path) -> Path:
    """Write preview.html beside preview.json.

    Returns:
        Path of the page.

    Raises:
        TableError: If preview.json is missing or not JSON.
        OutputError: If the folder cannot be written.
    """
    found: dict[str, Any] = read_json(folder / "preview.json")
    page = folder / "preview.html"
    films = [_film(folder, found, row) for row in found["shown"]]
    write_text(
        page,
        fill_page(
            "prepared.html.j2",
            films=films,
            total=found["count"],
            legend={**found["colours"], "mended": found["mended"]},
            steps=found["steps"],
            rejects=[
                {"file": shorten(file_name(row["path"]), 60), "reason": row["reason"]}
                for row in found["rejects"]
            ],
            warnings=[
                "The pictures on the left show the films as they came, with whatever is written on"
                " them: names and numbers too. Do not pass this page on unless you may pass on the"
                " films."
            ]
            if films
            else [],
        ),
    )
    return page


def _film(folder: Path, found: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    name = shorten(file_name(row["path"]), 60)
    shares = {name: share for name, share in row["removed"].items() if share > 0}
    if row["mended"] > 0:
        shares["mended"] = row["mended"]
    colours = {**found["colours"], "mended": found["mended"]}
    return {
        "name": name,
        "size": f"{count(row['columns'])} × {count(row['rows'])}",
        "bits": row["bits"],
        "kept": _percent(row["kept"]),
        "mirrored": row["mirrored"],
        "removed": [(colours[n], n, _percent(share)) for n, share in shares.items()],
        "pictures": [
            (
                title,
                embedded((folder / f"{row['preview']}-{part}.jpg").read_bytes(), JPEG),
                f"{name}: {title.lower()}",
            )
            for part, title in PARTS.items()
        ],
    }


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share >= 0.0005 else "< 0.1 %"
