"""Columns of a table that say by their names what they hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from medgraft.errors import TableError
from medgraft.index.layouts import Asked
from medgraft.index.paths import is_file, relative
from medgraft.index.table import COLUMNS

PATH = (
    "path",
    "file",
    "filename",
    "file_name",
    "filepath",
    "file_path",
    "image",
    "image_path",
    "image_file",
)
LABEL = ("label", "labels", "class", "diagnosis", "target", "finding", "category", "dx")
MASK = ("mask", "mask_path", "mask_file", "segmentation", "annotation", *LABEL)
PATIENT = ("patient", "patient_id", "patientid", "subject", "subject_id", "subjectid")
GROUP = ("group", "group_id")  # of nothing better: what must not cross a split is often a person
TRIED = 20  # rows that are tried when looking for columns of paths
NONE = "none"  # what the user says where a column looks like something and is not


def guess(table: pl.DataFrame, root: Path, file: Path, asked: Asked) -> tuple[Asked, str]:
    """What the user said, completed by columns whose names leave no doubt.

    Args:
        table: The table, all columns as text.
        root: The folder that paths start from.
        file: Where the table lies, for messages.
        asked: What the user said; it is never overruled, and a wish of ``none`` is dropped.

    Returns:
        The wishes, completed, and a line that names every guess; it is empty if there is none.

    Raises:
        TableError: If no column can be the path, or two are equally good at something.
    """
    files = [name for name in table.columns if _names_files(table[name], root)]
    found: dict[str, str] = {}
    if asked.path is None:
        found["path"] = _path(table, files, file)
    free = [name for name in table.columns if name not in {*_said(asked), *found.values()}]
    kinds = {
        "label": [[n for n in _named(free, LABEL) if n not in files and n not in COLUMNS]],
        "patient": [_named(free, PATIENT), _named(free, GROUP)],
        "mask": [[name for name in _named(free, MASK) if name in files]],
    }
    for wish, ranks in kinds.items():
        if not getattr(asked, wish) and (best := next(filter(None, ranks), None)):
            found[wish] = _only(best, wish, file)
    given: dict[str, Any] = {w: (name,) if w == "label" else name for w, name in found.items()}
    return _without_none(replace(asked, **given), table), _line(found)


def path_column(table: pl.DataFrame, root: Path) -> str | None:
    """The one column that names files which exist, if there is one."""
    able = [name for name in table.columns if _names_files(table[name], root)]
    best = _named(able, PATH) or able
    return best[0] if len(best) == 1 else None


def _path(table: pl.DataFrame, files: list[str], file: Path) -> str:
    best = _named(files, PATH) or files
    if not best:
        raise TableError(
            f"--path must name the column of '{file.name}' that holds the path of each image in"
            f" '{file.parent}', and no column names files that exist. Its columns are"
            f" {', '.join(table.columns)}; give --path, and --label and --patient if there are any."
        )
    return _only(best, "path", file)


def _only(best: list[str], wish: str, file: Path) -> str:
    if len(best) == 1:
        return best[0]
    never = "" if wish == "path" else f", or --{wish} {NONE}"
    raise TableError(
        f"one column of '{file.name}' must be the {wish}, and {len(best)} look like it:"
        f" {', '.join(best)}. Choose with --{wish} {best[0]}{never}."
    )


def _named(columns: list[str], names: tuple[str, ...]) -> list[str]:
    return [name for name in columns if name.strip().lower().replace(" ", "_") in names]


def _names_files(column: pl.Series, root: Path) -> bool:
    """Whether most of the first values are files below `root`."""
    values = column.drop_nulls().head(TRIED).to_list()
    return sum(_names_file(root, value) for value in values) > len(values) / 2


def _names_file(root: Path, text: str) -> bool:
    """Whether a path names a file below `root`, as it is or as Windows would write it."""
    tried = {relative(root, text), relative(root, text.replace("\\", "/"))}
    return any(path is not None and is_file(root, path) for path in tried)


def _said(asked: Asked) -> set[str]:
    values = [getattr(asked, wish) for wish in asked.given()]
    return {name for v in values for name in (v if isinstance(v, tuple) else (v,))}


def _without_none(asked: Asked, table: pl.DataFrame) -> Asked:
    """The wishes without those of ``none``, unless a column is called so."""
    if NONE in table.columns:
        return asked
    label = () if asked.label == (NONE,) else asked.label
    patient = None if asked.patient == NONE else asked.patient
    return replace(
        asked, label=label, patient=patient, mask=None if asked.mask == NONE else asked.mask
    )


def _line(found: dict[str, str]) -> str:
    if not found:
        return ""
    flags = " ".join(f"--{wish}" for wish in found)
    return (
        f"{' '.join(f'{w}={name}' for w, name in found.items())} (guessed; name them with {flags})"
    )
