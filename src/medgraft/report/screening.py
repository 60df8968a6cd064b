"""The page of a screening of samples, from what it saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medgraft.files import read_json, write_text
from medgraft.report.pictures import embedded
from medgraft.report.template import fill_page
from medgraft.report.words import count, number, settings_without_folders, without_folders

SHEETS = {
    "kept": ("Kept", "The most representative, best first."),
    "left": ("Left out", "The least representative, worst first."),
}


def write_screening(folder: Path) -> Path:
    """Write screening.html beside screening.json.

    Returns:
        Path of the page.

    Raises:
        TableError: If screening.json is missing or not JSON.
        OutputError: If the folder cannot be written.
    """
    found: dict[str, Any] = read_json(folder / "screening.json")
    page = folder / "screening.html"
    sheets = [
        {"title": title, "caption": caption, "source": embedded(file.read_bytes())}
        for name, (title, caption) in SHEETS.items()
        if (file := folder / f"{name}.png").is_file()
    ]
    write_text(
        page,
        fill_page(
            "screening.html.j2",
            found=found,
            answer=f"{count(found['kept'])} of {count(found['images'], 'sample')} were kept",
            means=_means(found),
            sheets=sheets,
            facts={
                "Discriminator": without_folders(found["run"]),
                "Score": found["rule"],
                "Share kept of each class": number(found["keep"], digits=2),
                "Command": settings_without_folders(" ".join(found["command"])),
            },
        ),
    )
    return page


def _means(found: dict[str, Any]) -> list[dict[str, str]]:
    rows = {
        "real": "mean probability of being real",
        "confidence": "mean probability of its class",
        "score": "mean score",
    }
    sides = [found[f"{name}_means"] for name in ("kept", "left")]
    return [
        {
            "name": name,
            "kept": number(sides[0][key]),
            "left": "–" if sides[1] is None else number(sides[1][key]),
        }
        for key, name in rows.items()
    ]
