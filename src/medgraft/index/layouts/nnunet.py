"""nnU-Net: ``imagesTr/CASE_0000.nii.gz`` beside ``labelsTr/CASE.nii.gz`` and ``dataset.json``.

Checked against the dataset format of nnU-Net 2 and its notes on version 1: `channel_names` was
`modality`, `labels` went from numbers to names, and may now be regions of several numbers.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import polars as pl

from medgraft.errors import ArgumentError
from medgraft.index.layouts import Asked, Found, layout
from medgraft.index.layouts._json import peek_json, read_json
from medgraft.index.layouts._published import count_note, need_images
from medgraft.index.masks import MaskClasses
from medgraft.index.parts import part_of
from medgraft.index.paths import Reject, peek, stem, walk

TABLE = "dataset.json"
CHANNEL = re.compile(r"^(?P<case>.+)_(?P<number>\d{4})$")


def recognise(source: Path) -> str | None:
    """A ``dataset.json`` with channels, and images that end in the number of a channel."""
    if not source.is_dir() or not _channels(peek_json(source / TABLE)):
        return None
    images = [path for path in peek(source / "imagesTr", 20) if CHANNEL.match(stem(path))]
    return f"{TABLE} names channels, and imagesTr holds {images[0]}" if images else None


@layout(
    "nnunet",
    recognise=recognise,
    source="raw data of nnU-Net, versions 1 and 2 (Isensee et al. 2021)",
    published=True,
)
def nnunet(source: Path, asked: Asked) -> Found:  # noqa: ARG001 (takes no options)
    """One row per channel of a case, named in `view`; a case is a `group` and shares its mask.

    ``imagesTr`` is the part train, ``imagesTs`` the part test. Whether cases are patients is
    not in the data. A case without all its channels is a reject.
    """
    told = read_json(source / TABLE)
    channels = _channels(told)
    seen = walk(source)
    masks = {
        path.partition("/")[0][-2:] + stem(path): path
        for path in seen.files
        if path.startswith(("labelsTr/", "labelsTs/"))
    }
    cases: dict[str, list[tuple[str, int]]] = {}
    for path in seen.files:
        found = CHANNEL.match(stem(path))
        if found and path.startswith(("imagesTr/", "imagesTs/")):
            key = path.partition("/")[0][-2:] + found["case"]
            cases.setdefault(key, []).append((path, int(found["number"])))
    rows, rejects, used = [], list(seen.rejects), set()
    for key, files in cases.items():
        if sorted(number for _, number in files) != list(range(len(channels))):
            reason = f"its case has {len(files)} channels, and {TABLE} names {len(channels)}"
            rejects += [Reject(path, reason, "Add what is missing.") for path, _ in files]
            continue
        used.add(key)
        part = part_of(key[:2])
        rows += [(p, channels[n], key[2:], masks.get(key), part) for p, n in sorted(files)]
    schema = dict.fromkeys(("path", "view", "group", "mask_path", "orig_split"), pl.String)
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    need_images(frame, rejects, source, "nnU-Net")
    rejects += [
        Reject(path, "no case goes with this mask", "Add its images.")
        for key, path in masks.items()
        if key not in used
    ]
    classes, notes = _classes(told)
    blank = frame.filter(pl.col("mask_path").is_null())["group"].n_unique()
    notes += count_note(blank, "cases have no mask")
    return Found(frame, source, rejects=rejects, notes=notes, mask_classes=classes)


def _channels(told: dict[str, Any]) -> list[str]:
    """Names of the channels in their order; ``modality`` is what version 1 calls them."""
    names = told.get("channel_names") or told.get("modality")
    if not isinstance(names, dict) or not all(str(k).isdecimal() for k in names):
        return []
    return [str(name) for _, name in sorted((int(k), v) for k, v in names.items())]


def _classes(told: dict[str, Any]) -> tuple[MaskClasses | None, list[str]]:
    """Names of the numbers in the masks; none where they are regions of several numbers."""
    labels = told.get("labels")
    try:
        one = told.get("channel_names") is None  # version 1 has numbers first
        pairs = [(int(k), str(v)) if one else (int(v), str(k)) for k, v in labels.items()]  # type: ignore[union-attr]
        return MaskClasses(
            tuple(n for _, n in sorted(pairs)), tuple(v for v, _ in sorted(pairs))
        ), []
    except (ArgumentError, ValueError, TypeError, AttributeError):
        return None, [
            f"labels of {TABLE} do not name single numbers; name them with --mask-classes"
        ]
