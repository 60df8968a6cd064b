"""A folder for each class, perhaps inside folders for training and testing."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from medgraft.errors import TableError
from medgraft.index.layouts import Asked, Found, layout
from medgraft.index.parts import part_of
from medgraft.index.paths import Reject, looks_like_image, walk

PEEK = 200  # files looked at in a folder before it counts as one without images


def recognise(source: Path) -> str | None:
    """At least two folders side by side hold images."""
    if not source.is_dir():
        return None
    names = [f.name for f in _subfolders(source) if _holds_image(f)]
    if _are_parts(names):
        inner = {f.name for n in names for f in _subfolders(source / n) if _holds_image(f)}
        return f"{_listed(names)} hold class folders {_listed(sorted(inner))}" if inner else None
    return f"the folders {_listed(names)} hold images" if len(names) > 1 else None


@layout(
    "folders", recognise=recognise, source="a folder per class, as in torchvision's ImageFolder"
)
def folders(source: Path, asked: Asked) -> Found:  # noqa: ARG001 (takes no options)
    """Images by class folder; with ``train``, ``val`` and ``test`` above, the part is kept.

    The class is the name of the topmost folder (below the part, if there are parts); images
    may lie deeper. The part stands in the column `orig_split`.
    """
    seen = walk(source)
    tops = sorted({path.partition("/")[0] for path in seen.files if "/" in path})
    depth = 1 if _are_parts(tops) else 0
    rows, rejects = [], list(seen.rejects)
    for path in seen.files:
        above = path.split("/")[:-1]
        if len(above) > depth:
            part = part_of(above[0]) if depth else None
            rows.append((path, above[depth], part))
        else:
            rejects.append(
                Reject(path, "it lies in no class folder", "Move it into the folder of its class.")
            )
    if not rows:
        raise TableError(
            f"'{source}' must hold a folder per class with images in it; found"
            f" {len(seen.files)} files that may be images, none of them in a class folder."
        )
    schema = {"path": pl.String, "label": pl.String, "orig_split": pl.String}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    notes = []
    if seen.ignored:
        notes.append(f"{len(seen.ignored)} files are no images, such as {seen.ignored[0]}")
    return Found(frame if depth else frame.drop("orig_split"), source, ("label",), rejects, notes)


def _are_parts(names: list[str]) -> bool:
    parts = [part_of(name) for name in names]
    return "train" in parts and None not in parts


def _subfolders(folder: Path) -> list[Path]:
    return sorted(f for f in folder.iterdir() if f.is_dir() and not f.name.startswith("."))


def _holds_image(folder: Path) -> bool:
    for count, path in enumerate(folder.rglob("*")):
        if path.is_file() and looks_like_image(path):
            return True
        if count > PEEK:
            return False
    return False


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:4])
    return f"{shown} and {len(names) - 4} more" if len(names) > 4 else shown
