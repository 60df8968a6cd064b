"""Boxes as COCO writes them: one JSON file for many images."""

from __future__ import annotations

import math
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from medgraft.errors import TableError
from medgraft.index.layouts import Asked, Found, layout
from medgraft.index.layouts._boxes import BOX, Marked, with_boxes
from medgraft.index.layouts._json import peek_json, read_json
from medgraft.index.layouts._published import LABEL, REMEDY, count_note, need_images, pick
from medgraft.index.parts import part_of
from medgraft.index.paths import Reject, peek, stem, walk

KEYS = frozenset(["images", "annotations", "categories"])


def recognise(source: Path) -> str | None:
    """A JSON file with images, annotations and categories, at the top, in ``annotations`` or beside images."""
    for path in peek(source, 400):
        if path.endswith(".json") and peek_json(source / path).keys() >= KEYS:
            return f"{path} has images, annotations and categories"
    return None


@layout(
    "coco",
    recognise=recognise,
    source="COCO: annotations/instances_train.json, _annotations.coco.json of Roboflow",
    takes=LABEL,
    published=True,
)
def coco(source: Path, asked: Asked) -> Found:
    """Images with a column for each category: 1 if the image shows one, else 0.

    `boxes` lists what is marked, with its place in pixels. A file or folder named for a part
    gives `orig_split`.
    """
    seen = walk(source)
    there: dict[str, list[str]] = {}
    for file in seen.files:
        there.setdefault(file.rpartition("/")[2], []).append(file)
    marked, rejects, kinds = dict[str, Marked](), list(seen.rejects), set[str]()
    parts: dict[str, str | None] = {}
    for name in sorted(p for p in seen.ignored if p.endswith(".json")):
        try:
            told = read_json(source / name)
        except TableError as error:
            reason = f"it is no JSON object: {error.__cause__}"
            rejects.append(Reject(name, reason, "Fetch it again, or move it away."))
            continue
        if not told.keys() >= KEYS:
            continue
        categories = _categories(told, name)
        kinds |= set(categories.values())
        boxes = _boxes(told, categories)
        for image, text in _images(told, name):
            path = _find(text, PurePosixPath(name).parent, there)
            if path is None:
                rejects.append(Reject(text, f"{name} names it, and there is no such file", REMEDY))
            elif path in marked:
                rejects.append(Reject(path, f"{name} names it again", "Keep one description."))
            else:
                marked[path] = Marked(path, boxes.get(image, []))
                parts[path] = _part(name)
    frame, known = with_boxes(marked.values(), kinds)
    need_images(frame, rejects, source, "COCO")
    labels = pick(asked, known)
    frame = frame.drop([kind for kind in known if kind not in labels])
    if any(parts.values()):
        column = pl.Series("orig_split", [parts[p] for p in frame["path"]], dtype=pl.String)
        frame = frame.with_columns(column)
    empty = frame.filter(pl.col("boxes").list.len() == 0).height
    return Found(frame, source, labels, rejects, count_note(empty, "images have nothing marked"))


def _categories(told: dict[str, Any], name: str) -> dict[Any, str]:
    try:
        return {one["id"]: str(one["name"]) for one in told["categories"]}
    except (TypeError, KeyError) as error:
        raise TableError(
            f"categories of '{name}' must each have an id and a name: {error!r:.200}. Correct it."
        ) from error


def _images(told: dict[str, Any], name: str) -> list[tuple[Any, str]]:
    try:
        pairs = [(one["id"], str(one["file_name"])) for one in told["images"]]
        dict(pairs)  # an id that is no number and no text is none
    except (TypeError, KeyError) as error:
        raise TableError(
            f"images of '{name}' must each have an id and a file_name: {error!r:.200}. Correct it."
        ) from error
    return pairs


def _boxes(told: dict[str, Any], categories: dict[Any, str]) -> dict[Any, list[dict[str, Any]]]:
    found: dict[Any, list[dict[str, Any]]] = {}
    try:
        for one in told["annotations"]:
            numbers = [
                float(number) for number in one.get("bbox") or (None,) * 4 if number is not None
            ]
            if not all(map(math.isfinite, numbers)):
                raise ValueError(numbers)
            place = numbers if len(numbers) == 4 else [None] * 4
            box = dict(zip(BOX, (categories[one["category_id"]], *place), strict=True))
            found.setdefault(one["image_id"], []).append(box)
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise TableError(
            f"each annotation must have an image_id, a category_id and a bbox: {error!r:.200}. Correct it."
        ) from error
    return found


def _find(text: str, beside: PurePosixPath, there: dict[str, list[str]]) -> str | None:
    """The file of that name; beside its description first, else the only one anywhere."""
    paths = there.get(text.rpartition("/")[2], [])
    if str(beside / text) in paths:
        return str(beside / text)
    fits = [path for path in paths if path.endswith(text)] or paths
    return fits[0] if len(fits) == 1 else None


def _part(name: str) -> str | None:
    words = [*PurePosixPath(name).parent.parts, *stem(name).lower().rstrip("0123456789").split("_")]
    return next(filter(None, map(part_of, words)), None)
