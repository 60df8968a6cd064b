"""The sets of Kermany et al.: chest films of children, and optical coherence tomography."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from medgraft.errors import TableError
from medgraft.index.layouts import Asked, Found, csv, layout
from medgraft.index.layouts._published import count_note
from medgraft.index.parts import part_of
from medgraft.index.paths import IMAGES, Reject, peek, suffix, walk

CLASSES = frozenset(["NORMAL", "PNEUMONIA", "CNV", "DME", "DRUSEN"])
NAMES = (  # the patient and, of pneumonia, its cause
    re.compile(r"^(?P<patient>(?:NORMAL2-)?IM-\d+)-\d+(?:-\d+)?$"),
    re.compile(r"^(?P<patient>person\d+)_(?P<cause>bacteria|virus)_\d+(?:_\d+)?$"),
    re.compile(r"^(?P<cause>BACTERIA|VIRUS)-(?P<patient>\d+)-\d+$"),
    re.compile(r"^(?:NORMAL|CNV|DME|DRUSEN)-(?P<patient>\d+)-\d+$"),
)


def recognise(source: Path) -> str | None:
    """Files with the names of the set lie in its class folders, and no table names them."""
    images = [path for path in peek(source) if suffix(path) in IMAGES]
    fit = [path for path in images if _match(path) and _class(path)]
    if not fit or len(fit) < 0.9 * len(images):
        return None
    why = f"{len(fit)} of the first {len(images)} images are called as '{fit[0]}'"
    return csv.unless_listed(source, why)


@layout(
    "kermany",
    recognise=recognise,
    source="chest films or OCT in NORMAL, PNEUMONIA, CNV, DME, DRUSEN (Kermany et al. 2018)",
    published=True,
)
def kermany(source: Path, asked: Asked) -> Found:  # noqa: ARG001 (takes no options)
    """Images by class folder; patients from the names, the cause of a pneumonia in `cause`.

    A patient is what the name calls one: ``person12`` may be two children where its numbers
    were given anew in another part, so patients are rather too large than too small. The part
    that a folder is named for stands in `orig_split`. The archive of Kaggle holds the whole set
    twice, one copy in a second ``chest_xray``; the copy is refused row by row.
    """
    seen = walk(source)
    rejects, rows = list(seen.rejects), list[tuple[str | None, ...]]()
    taken: dict[tuple[str, ...], str] = {}
    for path in sorted(seen.files, key=lambda path: (path.count("/"), path)):
        found, label = _match(path), _class(path)
        if not found or not label:
            reason = "its name or its folder is not one of the set"
            rejects.append(Reject(path, reason, "Index it with --layout folders."))
            continue
        part = next(filter(None, map(part_of, path.split("/")[:-1])), None)
        key = (part or "", *path.split("/")[-2:])
        if key in taken:
            rejects.append(
                Reject(path, f"it repeats '{taken[key]}'", "Nothing to do: the first is kept.")
            )
            continue
        taken[key] = path
        cause = found.groupdict().get("cause")
        rows.append((path, found["patient"], label, cause and cause.lower(), part))
    if not rows:
        raise TableError(
            f"'{source}' must hold images such as NORMAL/IM-0115-0001.jpeg, and has none."
            " Index it with --layout folders."
        )
    schema = dict.fromkeys(("path", "patient_id", "label", "cause", "orig_split"), pl.String)
    frame = pl.DataFrame(rows, schema=schema, orient="row").sort("path")
    empty = [name for name in ("cause", "orig_split") if frame[name].count() == 0]
    return Found(frame.drop(empty), source, ("label",), rejects, _notes(frame))


def _match(path: str) -> re.Match[str] | None:
    name = path.rpartition("/")[2].rpartition(".")[0]
    return next(filter(None, (pattern.match(name) for pattern in NAMES)), None)


def _class(path: str) -> str | None:
    return next((folder for folder in path.split("/")[:-1] if folder in CLASSES), None)


def _notes(frame: pl.DataFrame) -> list[str]:
    """What is known to be wrong with the official parts."""
    parts = frame.filter(pl.col("orig_split").is_not_null())
    patients = parts.group_by("patient_id").agg(pl.col("orig_split").n_unique().alias("parts"))
    shared = patients.filter(pl.col("parts") > 1).height
    small = parts.filter(pl.col("orig_split") == "val").height
    return [
        *count_note(
            shared,
            "patients stand in several official parts, by their names: do not use that split",
        ),
        *(
            [f"the official val holds {small} images only"]
            if 0 < small < parts.height / 100
            else []
        ),
    ]
