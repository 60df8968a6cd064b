"""The page of discovered patterns, from what the discovery saved."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from medgraft.files import read_json, write_text
from medgraft.report.template import fill_page
from medgraft.report.words import count, duration, settings_without_folders, without_folders


def write_discovery(folder: Path) -> Path:
    """Write discovery.html beside discovery.json.

    Returns:
        Path of the page.

    Raises:
        TableError: If discovery.json is missing or not JSON.
        OutputError: If the folder cannot be written.
    """
    found: dict[str, Any] = read_json(folder / "discovery.json")
    page = folder / "discovery.html"
    write_text(
        page,
        fill_page(
            "discovery.html.j2",
            found=found,
            warnings=_warnings(found),
            facts=_facts(found),
            near=_mean(found, "near"),
            other=_mean(found, "any"),
            rows=[_row(folder, found, shown) for shown in found["shown"]],
        ),
    )
    return page


def _warnings(found: dict[str, Any]) -> list[str]:
    synthetic = ["These are synthetic images."] if found["synthetic"] else []
    return [*synthetic, *(without_folders(note) for note in found["notes"])]


def _mean(found: dict[str, Any], key: str) -> str:
    values = [place[key] for place in found["places"]]
    return f"{sum(values) / len(values):.2f}"


def _facts(found: dict[str, Any]) -> dict[str, str]:
    about = found["descriptors"]
    network = f"{about['backbone']}, on scans of {_sides(about['shape'])}"
    if about.get("error") is not None:
        network += (
            f"; an auto-encoder without skips, {about['epochs']} epochs, mean squared error"
            f" {about['error']:.4f} on scans it has not seen (their mean: {about['error_of_mean']:.4f})"
        )
    return {
        "Patterns": count(found["patterns"]),
        "Training scans": f"{count(found['scans'])}, {count(found['neighbours'])} of them in each pattern",
        "Validation scans": f"{count(found['scans_held_out'])}, {count(found['held_out'])} in each pattern",
        "Crops": f"{_sides(found['crop'])} from scans of {_sides(found['shape'])}",
        "Descriptors": network,
        "Seed": str(found["seed"]),
        "Time": duration(found["seconds"]),
        "Command": settings_without_folders(" ".join(found["command"])),
    }


def _row(folder: Path, found: dict[str, Any], shown: dict[str, Any]) -> dict[str, Any]:
    number = shown["pattern"]
    place = found["places"][number]
    content = base64.b64encode((folder / shown["file"]).read_bytes()).decode()
    columns = ", ".join(str(rank) for rank in shown["ranks"][1:])
    return {
        "number": number + 1,
        "picture": f"data:image/png;base64,{content}",
        "alt": f"Pattern {number + 1}: a whole scan with a box, then the box's content in"
        f" {len(shown['ranks'])} scans",
        "ranks": columns,
        "at": ", ".join(
            f"{(start + side / 2) / n:.0%}".replace("%", " %")
            for start, side, n in zip(place["start"], found["crop"], found["shape"], strict=True)
        ),
        "near": f"{place['near']:.2f}",
        "other": f"{place['any']:.2f}",
    }


def _sides(sides: list[int]) -> str:
    return " × ".join(map(str, sides))
