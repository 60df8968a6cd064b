"""The page of results: every study has its own part, between marks that it names."""

from __future__ import annotations

import argparse
import platform
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Protocol, TypeVar

from medgraft.cli.__main__ import main as medgraft

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "results.md"


class Experiment(Protocol):
    """What a study has several of."""

    @property
    def folder(self) -> str:
        """Name of its folder."""


E = TypeVar("E", bound=Experiment)


def run_study(
    description: str | None,
    experiments: Sequence[E],
    *,
    run: Callable[[E, Path, Path], None],
    section: Callable[[E, Path], str],
    result: str | tuple[str, ...],
    mark: str,
) -> None:
    """Read the flags of a study, run what is missing and rewrite its tables.

    Args:
        description: Of the study, for its help.
        experiments: All of them, in the order of the page.
        run: Makes one, from the folder of the archives, in the folder of the study.
        section: What the page says of one, from its own folder.
        result: File in that folder, there once it is finished; any of several.
        mark: Of the part of the page, which also names the folder that is taken by default.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / mark)
    parser.add_argument("--only", choices=[one.folder for one in experiments])
    parser.add_argument("--write", action="store_true", help="only write the page")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    for one in experiments:
        if not asked.write and asked.only in (None, one.folder):
            run(one, asked.data.resolve(), asked.out)
    results = (result,) if isinstance(result, str) else result
    parts = [
        section(one, asked.out / one.folder)
        for one in experiments
        if any((asked.out / one.folder / name).is_file() for name in results)
    ]
    put("\n".join(parts), mark)


def called(arguments: list[str]) -> None:
    """Run a command of medgraft, and end with it if it fails."""
    status = medgraft(arguments)
    if status:
        raise SystemExit(status)


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
        f" {hardware['cores']} {'core' if hardware['cores'] == 1 else 'cores'}; torch {record['versions']['torch']},"
        f" Python {platform.python_version()}, {date.today()}."
    )
