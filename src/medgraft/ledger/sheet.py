"""Readings as a table for people: to take along, to fill in, and to bring back.

A row says what one reader says about one image: `image_id`, `reader`, `act` (answer, unsure,
skip), `label` (several with semicolons between them), `seconds`, `model`, `request`. In a sheet to
be filled in, `act` and `label` are empty; who reads offline fills in `label`, or writes unsure in
`act`. A row with both empty says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl

from medgraft.errors import MedgraftError, TableError
from medgraft.files import write_text
from medgraft.ledger.campaign import Campaign

COLUMNS = ("image_id", "reader", "act", "label", "seconds", "model", "request")
BETWEEN = ";"
MOST_SHOWN = 5
Said = Literal["answer", "unsure", "skip"]
ACTS: dict[str, Said] = {"": "answer", "answer": "answer", "unsure": "unsure", "skip": "skip"}


@dataclass(frozen=True)
class Line:
    """A row of a sheet that says something.

    Attributes:
        number: Of the line in the file, counted from 1, the header being the first.
        image_id: Of which image.
        reader: Who says so.
        act: "answer", "unsure" or "skip".
        labels: Of an answer.
        seconds: How long it took; None if the sheet does not say.
        model: Which model's view was shown; None if the sheet does not say.
        request: What the client called it; None if the sheet does not say.
    """

    number: int
    image_id: str
    reader: str
    act: Said
    labels: tuple[str, ...] | None
    seconds: float | None
    model: str | None
    request: str | None


def write_sheet(path: Path, rows: Sequence[dict[str, object]], extra: Sequence[str] = ()) -> None:
    """Write a sheet, whole or not at all.

    Args:
        path: File to write.
        rows: Cells by column; a column that is missing stays empty.
        extra: Columns beside those that `read_sheet` knows, for people.
    """
    names = [COLUMNS[0], *extra, *COLUMNS[1:]]
    table = pl.DataFrame(
        {name: pl.Series([_cell(row.get(name)) for row in rows], dtype=pl.String) for name in names}
    )
    write_text(path, table.write_csv())


def _cell(value: object) -> str | None:
    if isinstance(value, tuple):
        return BETWEEN.join(value)
    return None if value is None else str(value)


def read_sheet(path: Path, campaign: Campaign, reader: str | None = None) -> list[Line]:
    """The rows of a sheet that say something.

    Args:
        path: A CSV file, its cells apart by commas or semicolons.
        campaign: Whose classes the labels are.
        reader: Who reads, where the sheet has no such column or leaves it empty.

    Raises:
        TableError: If a row cannot be meant as it stands; all such rows are counted, and the
            first ones shown.
    """
    table = _table(path)
    lines, wrong = [], []
    for number, row in enumerate(table.iter_rows(named=True), start=2):
        try:
            line = _line(number, row, campaign, reader)
        except (MedgraftError, ValueError) as error:
            wrong.append(f"line {number}: {error}")
            continue
        if line is not None:
            lines.append(line)
    twice = _twice(lines)
    wrong += [
        f"line {one.number}: {one.image_id!r} stands twice for {one.reader!r}" for one in twice
    ]
    if wrong:
        more = f" and {len(wrong) - MOST_SHOWN} more" if len(wrong) > MOST_SHOWN else ""
        raise TableError(
            f"every row of '{path}' must be one that the campaign understands; nothing was taken."
            f" {' '.join(wrong[:MOST_SHOWN])}{more}"
        )
    return lines


def _table(path: Path) -> pl.DataFrame:
    try:
        with path.open(encoding="utf-8-sig") as lines:
            first = lines.readline()
        separator = ";" if first.count(";") > first.count(",") else ","
        table = pl.read_csv(path, infer_schema=False, separator=separator, encoding="utf8")
    except (OSError, UnicodeDecodeError, pl.exceptions.PolarsError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise TableError(f"'{path}' must be a readable CSV file: {reason}.") from error
    if "image_id" not in table.columns or not {"label", "act"} & set(table.columns):
        raise TableError(
            f"'{path}' must have the columns image_id and label, got"
            f" {', '.join(table.columns)}. `medgraft active export --sheet` writes such a file."
        )
    return table


def _line(
    number: int, row: dict[str, str | None], campaign: Campaign, reader: str | None
) -> Line | None:
    cells = {name: (row.get(name) or "").strip() for name in COLUMNS}
    act, label = cells["act"], cells["label"]
    if not act and not label:
        return None
    who = cells["reader"] or reader
    if not cells["image_id"] or not who:
        raise TableError(f"{'image_id' if who else 'reader'} must not be empty.")
    if reader is not None and who != reader:
        raise TableError(f"the reader must be {reader!r} as was said, got {who!r}.")
    if act not in ACTS:
        raise TableError(f"act must be answer, unsure or skip, got {act!r}.")
    said = ACTS[act]
    if said != "answer" and label:
        raise TableError(f"a row with act {act} must have no label, got {label!r}.")
    names = [name.strip() for name in label.split(BETWEEN)] if label else []
    return Line(
        number,
        cells["image_id"],
        who,
        said,
        campaign.labels(names) if said == "answer" else None,
        float(cells["seconds"]) if cells["seconds"] else None,
        cells["model"] or None,
        cells["request"] or None,
    )


def _twice(lines: Sequence[Line]) -> list[Line]:
    seen: set[tuple[str, str]] = set()
    found = []
    for one in lines:
        key = (one.image_id, one.reader)
        if key in seen:
            found.append(one)
        seen.add(key)
    return found
