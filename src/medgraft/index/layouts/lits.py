"""LiTS: CT of the abdomen with liver and tumours outlined.

Checked against the archives of the contest (https://competitions.codalab.org/competitions/17094): Training
Batch 1 and 2 with volume-N.nii and segmentation-N.nii, 1 liver and 2 lesion.
"""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from medgraft.errors import TableError
from medgraft.index.layouts import Asked, Found, csv, layout
from medgraft.index.layouts._published import count_note
from medgraft.index.masks import MaskClasses
from medgraft.index.paths import Reject, peek, stem, walk

NAME = re.compile(r"^(?P<kind>volume|segmentation|test-volume)-(?P<number>\d+)$")
IRCAD = range(28, 48)  # volumes that 3D-IRCADb published before


def recognise(source: Path) -> str | None:
    """Files such as ``volume-0.nii`` and ``segmentation-0.nii``."""
    found = [path for path in peek(source) if NAME.match(stem(path))]
    kinds = {path.rpartition("/")[2].partition("-")[0] for path in found}
    if not {"volume", "segmentation"} <= kinds:
        return None
    return csv.unless_listed(source, f"files are called as '{found[0]}'")


@layout(
    "lits",
    recognise=recognise,
    source="LiTS: volume-0.nii, segmentation-0.nii (Bilic et al. 2023, arXiv:1901.04056)",
    published=True,
)
def lits(source: Path, asked: Asked) -> Found:  # noqa: ARG001 (takes no options)
    """Volumes with their masks (0 background, 1 liver, 2 tumour); test volumes have none.

    The number of a volume is its `group`; which are of one patient was not published.
    """
    seen = walk(source)
    volumes, masks = dict[str, str](), dict[str, str]()
    rejects = list(seen.rejects)
    for path in seen.files:
        found = NAME.match(stem(path))
        if found is None:
            continue
        kind, number = found["kind"], found["number"]
        kept = masks if kind == "segmentation" else volumes
        key = number if kind == "segmentation" else f"{kind}-{number}"
        if key in kept:
            rejects.append(Reject(path, f"'{kept[key]}' has the same name", "Keep one of them."))
        else:
            kept[key] = path
    if not volumes:
        raise TableError(f"'{source}' must hold volumes such as volume-0.nii, and holds none.")
    rows = []
    for name, path in volumes.items():
        kind, _, number = name.rpartition("-")
        test = kind == "test-volume"
        mask = None if test else masks.pop(number, None)
        rows.append((path, name, mask, "test" if test else "train"))
    rejects += [Reject(path, "no volume goes with this mask", "Add it.") for path in masks.values()]
    schema = dict.fromkeys(("path", "group", "mask_path", "orig_split"), pl.String)
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    known = {f"volume-{number}" for number in IRCAD}
    notes = [
        *count_note(
            sum(name in known for name in volumes),
            "volumes (28 to 47) are those of 3D-IRCADb: never use that set to test",
        ),
        *count_note(
            frame.filter((pl.col("orig_split") == "train") & pl.col("mask_path").is_null()).height,
            "training volumes have no mask",
        ),
    ]
    classes = MaskClasses(("background", "liver", "tumour"), (0, 1, 2))
    return Found(frame, source, rejects=rejects, notes=notes, mask_classes=classes)
