"""Files prepared into a folder: images, masks of what was kept, a table, and what could not be read.

The folder remembers each file as soon as it is done, so the same call goes on where it was
stopped, and a second one prepares only what is new or changed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from medgraft.errors import ArgumentError, OutputError
from medgraft.files import check_free, read_json, write_json, write_text
from medgraft.pool import spread
from medgraft.prepare.pipeline import canonical, pipeline
from medgraft.prepare.preview import MENDED, colour_of

SETTINGS, DONE, TABLE, REJECTS = "prepare.json", "done.jsonl", "prepared.csv", "rejects.csv"
SHOWN, PREVIEW = "preview.json", "preview"
COLUMNS = ("path", "image", "mask", "rows", "columns", "bits", "mirrored", "kept", "mended")
WRITTEN = ("image", "mask", "preview")

Row = dict[str, Any]


@dataclass(frozen=True)
class Prepared:
    """What became of the files of a call.

    Attributes:
        done: A row per prepared file, in the order of the call: path, image, mask, and what
            `medgraft.prepare.writing` says of it.
        rejects: path, reason and remedy of those that could not be prepared.
        earlier: How many were there already.
    """

    done: list[Row]
    rejects: list[Row]
    earlier: int


def prepare_files(
    files: Sequence[Path],
    out: Path,
    specs: Sequence[str],
    *,
    masks: Path | None = None,
    previews: int = 24,
    workers: int | None = None,
) -> Prepared:
    """Prepare files and write them to a folder; the files themselves are only read.

    Args:
        files: What to prepare.
        out: New or empty, or a folder that was prepared with the same steps, which is gone on with.
        specs: Preparation steps.
        masks: Folder for what was kept of each, on the grid of its file; None for none.
        previews: How many files, spread evenly, to make small pictures of.
        workers: See `medgraft.pool.spread`.

    Raises:
        UnknownNameError, ArgumentError: If the steps are wrong, or a file is named twice.
        OutputError: If a folder holds something else, or cannot be written.
    """
    steps = canonical(pipeline(specs))
    wanted = _wanted(files, out, masks, previews)
    _open(out, masks, steps)
    known = _known(out / DONE)
    rows = {n: known[row["path"]] for n, row in enumerate(wanted) if _stands(row, known, out)}
    earlier, rejects = len(rows), dict[int, Row]()
    todo = [(place, row) for place, row in enumerate(wanted) if place not in rows]
    for place, row in _work(todo, out, steps, workers):
        (rejects if "reason" in row else rows)[place] = row
    found = Prepared(
        [rows[place] for place in sorted(rows)],
        [rejects[place] for place in sorted(rejects)],
        earlier,
    )
    _write_tables(out, steps, found)
    return found


def names_of(files: Sequence[Path]) -> list[str]:
    """A name for what comes of each file: as short as keeps them apart.

    Raises:
        ArgumentError: If a file is named twice.

    Examples:
        >>> names_of([Path("a/x.png"), Path("a/y.dcm")])
        ['x', 'y']
        >>> names_of([Path("a/x.png"), Path("b/x.png"), Path("b/x.dcm")])
        ['a/x.png', 'b/x.png', 'b/x.dcm']
    """
    whole = [Path(os.path.abspath(file)) for file in files]
    if len(set(whole)) < len(whole):
        twice = next(file for n, file in enumerate(files) if whole[n] in whole[:n])
        raise ArgumentError(f"each file must be named once, got '{twice}' twice.")
    stems = [file.stem for file in whole]
    if len(set(map(str.lower, stems))) == len(stems):  # also where case makes no difference
        return stems
    common = Path(os.path.commonpath([file.parent for file in whole]))
    return [file.relative_to(common).as_posix() for file in whole]


def _wanted(files: Sequence[Path], out: Path, masks: Path | None, previews: int) -> list[Row]:
    """What each file is to become."""
    shown = set(np.linspace(0, len(files) - 1, min(previews, len(files))).round().astype(int))
    return [
        {
            "path": str(file),
            "seen": _seen(file),
            "image": f"{name}.png",
            "mask": None if masks is None else os.path.relpath(masks / f"{name}.png", out),
            "preview": f"{PREVIEW}/{name}" if place in shown else None,
        }
        for place, (file, name) in enumerate(zip(files, names_of(files), strict=True))
    ]


def _seen(file: Path) -> list[int] | None:
    """Size and time of a file, by which a change is noticed; None where it cannot be asked."""
    try:
        state = os.stat(str(file).partition("#")[0])
    except OSError:
        return None
    return [state.st_size, state.st_mtime_ns]


def _open(out: Path, masks: Path | None, steps: list[str]) -> None:
    """Make the folders, or go on with those of an earlier call.

    Raises:
        OutputError: If they hold something else.
        ArgumentError: If both are one folder.
    """
    if masks is not None and Path(os.path.abspath(masks)) == Path(os.path.abspath(out)):
        raise ArgumentError(f"--masks must be another folder than --out, got '{masks}' for both.")
    told = {"steps": steps, "masks": []}
    if (out / SETTINGS).is_file():
        told = read_json(out / SETTINGS)
        if told["steps"] != steps:
            raise OutputError(
                f"'{out}' was prepared with other steps: {' '.join(told['steps'])}; wanted:"
                f" {' '.join(steps)}. Choose another --out, or remove it."
            )
    else:
        check_free(out)
    if masks is not None and str(masks.resolve()) not in told["masks"]:
        check_free(masks)
        told["masks"].append(str(masks.resolve()))
    write_json(out / SETTINGS, told)


def _known(file: Path) -> dict[str, Row]:
    """What an earlier call remembered, by path; a line that it did not end is forgotten."""
    found: dict[str, Row] = {}
    if file.is_file():
        for line in file.read_text(encoding="utf-8").splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                continue
            found[row["path"]] = row
    return found


def _stands(row: Row, known: dict[str, Row], out: Path) -> bool:
    """Whether an earlier call did for a file all that is wanted now, and it is still there."""
    before = known.get(row["path"])
    if before is None or row["seen"] is None or any(before.get(key) != row[key] for key in row):
        return False
    made = [row["image"], row["mask"]]
    made += [] if row["preview"] is None else [f"{row['preview']}-after.jpg"]
    return all((out / one).is_file() for one in made if one is not None)


def _work(
    todo: list[tuple[int, Row]], out: Path, steps: list[str], workers: int | None
) -> Iterator[tuple[int, Row]]:
    """Do what is wanted: the place of each file, and its row or its reject."""
    if not todo:
        return
    tasks = [
        [row["path"], *(None if row[k] is None else str(out / row[k]) for k in WRITTEN)]
        for _, row in todo
    ]
    with (
        (out / DONE).open("a", encoding="utf-8") as memory,
        spread(
            "medgraft.prepare.writing:writing",
            tasks,
            what="preparing films",
            settings={"specs": steps},
            workers=workers,
        ) as replies,
    ):
        for reply in replies:
            place, row = todo[reply.place]
            said = reply.said
            if reply.failure is not None:
                said = dict(zip(("reason", "remedy"), reply.failure, strict=True))
            if "reason" in said:
                kept = {key: said[key] for key in ("reason", "remedy")}
                yield place, {"path": row["path"], **kept}
                continue
            memory.write(json.dumps(row | said) + "\n")
            memory.flush()
            yield place, row | said


def _write_tables(out: Path, steps: list[str], found: Prepared) -> None:
    """A line per image with the share that each step took, a line per reject, and the page's data."""
    erasing = list(dict.fromkeys(name for row in found.done for name in row["removed"]))
    table = [
        {key: row[key] for key in COLUMNS} | {name: row["removed"][name] for name in erasing}
        for row in found.done
    ]
    write_text(out / TABLE, pl.DataFrame(table).write_csv() if table else "path\n")
    rejects = out / REJECTS
    if found.rejects:
        write_text(rejects, pl.DataFrame(found.rejects).write_csv())
    else:
        rejects.unlink(missing_ok=True)  # of an earlier call, since mended
    told = {
        "steps": steps,
        "colours": {name: colour_of(place) for place, name in enumerate(erasing)},
        "mended": MENDED,
        "count": len(found.done),
        "shown": [row for row in found.done if row["preview"] is not None],
        "rejects": found.rejects,
    }
    write_json(out / SHOWN, told)
