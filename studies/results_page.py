"""The page of results: every study has its own part, between marks that it names."""

from __future__ import annotations

import platform
from datetime import date
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "docs" / "results.md"


def put(text: str, mark: str, page: Path = PAGE) -> None:
    """Put the text between ``<!-- mark -->`` and ``<!-- end of mark -->``, which must stand there."""
    start, end = f"<!-- {mark} -->", f"<!-- end of {mark} -->"
    before, found, rest = page.read_text(encoding="utf-8").partition(start)
    if not found or end not in rest:
        raise SystemExit(f"'{page}' must hold {start} and {end}")
    page.write_text(f"{before}{start}\n{text}\n{end}{rest.partition(end)[2]}", encoding="utf-8")


def circumstances(record: dict[str, Any]) -> str:
    """Precision, machine, versions and date, from the run.json of one of the runs."""
    compute, hardware = record["compute"], record["hardware"]
    arithmetic = [compute[key] for key in ("precision", "memory_format") if key in compute]
    return (
        f"{', '.join(arithmetic)}, {hardware['processor']},"
        f" {hardware['cores']} cores; torch {record['versions']['torch']},"
        f" Python {platform.python_version()}, {date.today()}."
    )
