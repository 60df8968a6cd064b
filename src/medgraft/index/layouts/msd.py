"""Medical Segmentation Decathlon: volumes and masks that ``dataset.json`` lists.

Checked against the dataset.json of its tasks as public programs quote it: `training` lists image and label,
`test` images alone, `labels` names by number, `modality` channels by number.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from medgraft.errors import ArgumentError, TableError
from medgraft.index.layouts import Asked, Found, layout
from medgraft.index.layouts._json import peek_json, read_json
from medgraft.index.layouts._published import REMEDY, count_note, need_images
from medgraft.index.masks import MaskClasses
from medgraft.index.paths import Reject, is_file, relative, walk

TABLE = "dataset.json"


def recognise(source: Path) -> str | None:
    """A ``dataset.json`` whose list of training volumes names files that exist."""
    if not source.is_dir():
        return None
    pairs = _training(peek_json(source / TABLE))
    first = pairs[0][0] if pairs else None
    if first and (inside := relative(source, first)) and is_file(source, inside):
        return f"{TABLE} lists {len(pairs)} training volumes such as {first}"
    return None


@layout(
    "msd",
    recognise=recognise,
    source="Medical Segmentation Decathlon (Antonelli et al. 2022): dataset.json",
    published=True,
)
def msd(source: Path, asked: Asked) -> Found:  # noqa: ARG001 (takes no options)
    """Volumes of ``dataset.json`` with their masks; those of the test part have none.

    A file of several modalities is one image with a channel for each. Which volumes are of one
    patient is not in the set.
    """
    told = read_json(source / TABLE)
    files = walk(source)
    there = set(files.files)
    pairs = [(*pair, "train") for pair in _training(told)]
    tests = told.get("test")
    pairs += [
        (t, None, "test") for t in (tests if isinstance(tests, list) else []) if isinstance(t, str)
    ]
    rows, rejects = [], list(files.rejects)
    for image, mask, part in pairs:
        path, beside = relative(source, image), mask and relative(source, mask)
        if path not in there:
            rejects.append(Reject(image, f"{TABLE} names it, and there is no such file", REMEDY))
            continue
        if mask and beside not in there:
            reason = f"{TABLE} names it as a mask, and there is no such file"
            rejects.append(Reject(mask, reason, "Add it; the image is kept."))
            beside = None
        rows.append((path, beside, part))
    schema = dict.fromkeys(("path", "mask_path", "orig_split"), pl.String)
    frame = pl.DataFrame(rows, schema=schema, orient="row").unique("path", maintain_order=True)
    need_images(frame, rejects, source, "the Decathlon")
    unlisted = there - set(frame["path"]) - set(frame["mask_path"].drop_nulls())
    counted = told.get("numTraining")
    listed = len(_training(told))
    notes = [
        f"the Decathlon names no patients; its task is {told.get('name', 'not named')}",
        *count_note(len(unlisted), f"volumes stand nowhere in {TABLE} and were left out"),
        *(
            [f"{TABLE} says that it has {counted} training volumes, and lists {listed}"]
            if counted != listed
            else []
        ),
    ]
    return Found(frame, source, rejects=rejects, notes=notes, mask_classes=_classes(told))


def _training(told: dict[str, Any]) -> list[tuple[str, str | None]]:
    """Image and mask of each training volume."""
    pairs = told.get("training")
    found = []
    for pair in pairs if isinstance(pairs, list) else []:
        if isinstance(pair, dict) and isinstance(pair.get("image"), str):
            mask = pair.get("label")
            found.append((pair["image"], mask if isinstance(mask, str) else None))
    return found


def _classes(told: dict[str, Any]) -> MaskClasses | None:
    labels = told.get("labels")
    try:
        pairs = sorted((int(v), str(n)) for v, n in labels.items()) if labels else []
        return (
            MaskClasses(tuple(n for _, n in pairs), tuple(v for v, _ in pairs)) if pairs else None
        )
    except (ArgumentError, ValueError, AttributeError, TypeError) as error:
        raise TableError(
            f"labels of {TABLE} must give a name to each number in the masks, got {labels!r:.80}."
            " Correct it."
        ) from error
