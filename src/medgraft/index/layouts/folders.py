"""A folder for each class, perhaps inside folders for training and testing."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from medgraft.errors import TableError
from medgraft.index.layouts import Asked, Found, layout
from medgraft.index.parts import part_of
from medgraft.index.paths import Reject, looks_like_image, peek, subfolders, walk

PEEK = 200  # files looked at in a folder before it counts as one without images
PICTURES = frozenset(
    ["data", "image", "images", "imagestr", "imagests", "imgs", "img", "pictures", "raw"]
)
MASKS = frozenset(
    [
        "annotation",
        "annotations",
        "labels",
        "labelstr",
        "labelsts",
        "mask",
        "masks",
        "segmentation",
        "segmentations",
    ]
)


def recognise(source: Path) -> str | None:
    """At least two folders side by side hold images."""
    if not source.is_dir():
        return None
    names = [f.name for f in subfolders(source) if _may_be_class(f.name) and _holds_image(f)]
    if _are_parts(names):
        inside = [f for n in names for f in subfolders(source / n) if _may_be_class(f.name)]
        inner = {f.name for f in inside if _holds_image(f)}
        return f"{_listed(names)} hold class folders {_listed(sorted(inner))}" if inner else None
    return f"the folders {_listed(names)} hold images" if len(names) > 1 else None


@layout(
    "folders", recognise=recognise, source="a folder per class, as in torchvision's ImageFolder"
)
def folders(source: Path, asked: Asked) -> Found:  # noqa: ARG001 (takes no options)
    """Images by class folder; with ``train``, ``val`` and ``test`` above, the part is kept.

    The class is the name of the topmost folder (below the part, if there are parts); images
    may lie deeper. The part stands in the column `orig_split`. Folders such as ``masks`` are no
    classes and are left out. Where no folder can be a class, all images are taken without label.
    """
    seen = walk(source)
    places = {path.rpartition("/")[0] for path in seen.files}
    masks = {folder for folder in places if not MASKS.isdisjoint(folder.lower().split("/"))}
    files = [path for path in seen.files if path.rpartition("/")[0] not in masks]
    tops = sorted({folder.partition("/")[0] for folder in places - masks} - {""})
    depth = 1 if _are_parts(tops) else 0
    notes = _left_out(len(seen.files) - len(files), seen.ignored)
    if not any(map(_may_be_class, tops)):
        frame = pl.DataFrame({"path": files}, schema={"path": pl.String})
        return Found(frame, source, (), list(seen.rejects), notes)
    frame = pl.DataFrame({"path": files}, schema={"path": pl.String})
    frame = frame.with_columns(label=pl.col("path").str.extract(rf"^(?:[^/]+/){{{depth}}}([^/]+)/"))
    names = [name for name in frame["label"].drop_nulls().unique() if _may_be_class(name)]
    lost = frame.filter(~pl.col("label").is_in(names).fill_null(value=False))["path"]
    reason, remedy = "it lies in no class folder", "Move it into the folder of its class."
    rejects = [*seen.rejects, *(Reject(path, reason, remedy) for path in lost)]
    frame = frame.filter(pl.col("label").is_in(names))
    if frame.is_empty():
        raise TableError(
            f"'{source}' must hold a folder per class with images in it; found"
            f" {len(files)} files that may be images, none of them in a class folder."
        )
    if depth:
        parts = {name: part_of(name) for name in tops}
        frame = frame.with_columns(
            orig_split=pl.col("path")
            .str.extract("^([^/]+)/")
            .replace_strict(parts, default=None, return_dtype=pl.String)
        )
    return Found(frame, source, ("label",), rejects, notes)


def without_classes(source: Path) -> str | None:
    """Why a folder with images has no two classes, and what to do; None if it has no images."""
    if not source.is_dir() or not _holds_image(source):
        return None
    names = [f.name for f in subfolders(source) if _holds_image(f)]
    where = f"in {_listed(names)}" if names else "side by side"
    return (
        f"'{source}' must hold a folder per class or a table with a row per image, and its images"
        f" lie {where}: that is one class only, or no label at all. Sort them into class folders,"
        " put a table beside them (--table), or index them so with --layout folders."
    )


def _may_be_class(name: str) -> bool:
    return name.lower() not in PICTURES | MASKS


def _left_out(masks: int, ignored: list[str]) -> list[str]:
    notes = [f"{masks} files in folders of masks or annotations were left out"] if masks else []
    if ignored:
        notes.append(f"{len(ignored)} files are no images, such as {ignored[0]}")
    return notes


def _are_parts(names: list[str]) -> bool:
    parts = [part_of(name) for name in names]
    return "train" in parts and None not in parts


def _holds_image(folder: Path) -> bool:
    return any(looks_like_image(folder / path) for path in peek(folder, PEEK))


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:4])
    return f"{shown} and {len(names) - 4} more" if len(names) > 4 else shown
