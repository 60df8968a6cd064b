"""Boxes as Pascal VOC writes them: an XML file per image, as in the blood cells of BCCD."""

from __future__ import annotations

import math
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from medgraft.index.layouts import Asked, Found, layout
from medgraft.index.layouts._boxes import BOX, Marked, with_boxes
from medgraft.index.layouts._published import LABEL, REMEDY, count_note, need_images, pick
from medgraft.index.layouts._xml import read_xml
from medgraft.index.parts import part_of
from medgraft.index.paths import IMAGES, Reject, peek, stem, subfolders, suffix, walk

FOLDER, PICTURES, LISTS = "Annotations", "JPEGImages", "ImageSets/Main"


def recognise(source: Path) -> str | None:
    """XML files in ``Annotations`` beside images in ``JPEGImages``."""
    if not source.is_dir():
        return None
    for home in (source, *subfolders(source)):
        xml = [path for path in peek(home / FOLDER, 20) if suffix(path) == ".xml"]
        if xml and peek(home / PICTURES, 1):
            return f"{FOLDER}/{xml[0]} lies beside {PICTURES}"
    return None


@layout(
    "voc",
    recognise=recognise,
    source="Pascal VOC: Annotations/*.xml, JPEGImages, ImageSets; BCCD blood cells",
    takes=LABEL,
    published=True,
)
def voc(source: Path, asked: Asked) -> Found:
    """Images with a column for each kind of thing that is marked: 1 if the image shows one, else 0.

    `boxes` lists what is marked, with its place in pixels. The lists in ``ImageSets/Main`` give
    `orig_split`. An XML file that cannot be read is a reject, and so is an image without one.
    """
    seen = walk(source)
    images = {
        (str(PurePosixPath(path).parent.parent), stem(path)): path
        for path in seen.files
        if PurePosixPath(path).parent.name == PICTURES and suffix(path) in IMAGES
    }
    rejects = list(seen.rejects)
    marked = dict[str, Marked]()
    for path in sorted(p for p in seen.ignored if suffix(p) == ".xml"):
        home = PurePosixPath(path).parent
        image = images.get((str(home.parent), stem(path)))
        if home.name != FOLDER:
            continue
        try:
            boxes = _boxes(source / path)
        except ValueError as error:
            rejects.append(Reject(path, str(error), REMEDY))
            continue
        if image is None:
            rejects.append(Reject(path, "no image goes with it", REMEDY))
        else:
            marked[image] = Marked(image, boxes)
    rejects += [
        Reject(path, f"no file in {FOLDER} goes with it", "Add it, or use --layout folders.")
        for path in images.values()
        if path not in marked
    ]
    frame, kinds = with_boxes(marked.values())
    need_images(frame, rejects, source, "Pascal VOC")
    labels = pick(asked, kinds)
    frame = frame.drop([kind for kind in kinds if kind not in labels])
    parts = _parts(source, [*seen.ignored])
    if parts:
        names = [parts.get(stem(path)) for path in frame["path"]]
        frame = frame.with_columns(pl.Series("orig_split", names, dtype=pl.String))
    empty = frame.filter(pl.col("boxes").list.len() == 0).height
    return Found(frame, source, labels, rejects, count_note(empty, "images have nothing marked"))


def _boxes(file: Path) -> list[dict[str, Any]]:
    """What is marked in an image.

    Raises:
        ValueError: If the file is no XML, or what is marked has no name or no place.
    """
    root = read_xml(file)
    boxes = []
    for thing in root.iter("object"):
        corners = [thing.findtext(f"bndbox/{name}") for name in ("xmin", "ymin", "xmax", "ymax")]
        try:
            x, y, right, below = (float(text or "") for text in corners)
        except ValueError:
            x = y = right = below = math.nan
        if not math.isfinite(x + y + right + below):
            raise ValueError(f"its box must have four numbers, got {corners}")
        name = (thing.findtext("name") or "").strip()
        if not name:
            raise ValueError("each thing that is marked in it must have a name")
        boxes.append(dict(zip(BOX, (name, x, y, right - x, below - y), strict=True)))
    return boxes


def _parts(source: Path, texts: list[str]) -> dict[str, str]:
    """The part of each image by the official lists."""
    found: dict[str, str] = {}
    for path in texts:
        part = part_of(stem(path))
        if part and str(PurePosixPath(path).parent).endswith(LISTS):
            lines = (source / path).read_text("utf-8", errors="replace").splitlines()
            found |= {line.split()[0]: part for line in lines if line.split()}
    return found
