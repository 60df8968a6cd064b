"""BraTS: four MRI sequences of a brain tumour and its outline, by the names of 2013 to 2023."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from medgraft.errors import TableError
from medgraft.index.layouts import Asked, Found, csv, layout
from medgraft.index.layouts._published import count_note
from medgraft.index.masks import MaskClasses
from medgraft.index.paths import IMAGES, Reject, peek, stem, suffix, walk

SEQUENCES = {
    "flair": "flair",
    "t2f": "flair",
    "t1": "t1",
    "t1n": "t1",
    "t1ce": "t1ce",
    "t1gd": "t1ce",
    "t1c": "t1ce",
    "t2": "t2",
    "t2w": "t2",
}
MASK = ("seg", "segm")
CASE = re.compile(
    r"^(?P<case>Brats(?:17|18|19|20)_.+|BraTS20\d\d_\d+|BraTS-[A-Z]+-(?P<person>\d+)-\d+|(?P<old>W\d+_\d{4}\.\d\d\.\d\d))"
    r"[-_](?P<kind>[A-Za-z0-9]+)$",
    re.IGNORECASE,
)
GRADES = ("HGG", "LGG")


def recognise(source: Path) -> str | None:
    """Files such as ``BraTS2021_00000_flair.nii.gz`` or ``BraTS-GLI-00000-000-t2f.nii.gz``."""
    if not source.is_dir() or csv.recognise(source):
        return None
    found = [
        p for p in peek(source, 100) if suffix(p) in IMAGES and (k := _kind(p)) and k in SEQUENCES
    ]
    return f"files are called as '{found[0]}'" if found else None


@layout(
    "brats",
    recognise=recognise,
    source="BraTS 2017 to 2023, and the cases of 2013 within them (Menze et al. 2015)",
    published=True,
)
def brats(source: Path, asked: Asked) -> Found:  # noqa: ARG001 (takes no options)
    """One row per sequence of a case, named in `view` (flair, t1, t1ce, t2); all share its mask.

    A case is a `group`; since 2023 the name tells the patient as well. `grade` is HGG or LGG
    where folders say so. The numbers in the masks mean: 1 necrosis, 2 oedema, and 4 enhancing
    tumour, which is 3 since 2023. A mask that is called as another case is
    taken by its folder, and said: one was published so.
    """
    seen = walk(source)
    rows, rejects = [], list(seen.rejects)
    masks, renamed = dict[str, str](), 0
    images = [path for path in seen.files if suffix(path) in IMAGES]
    by_folder: dict[str, list[str]] = {}
    for path in images:
        kind = _kind(path)
        folder = path.rpartition("/")[0]
        if kind in SEQUENCES:
            by_folder.setdefault(folder, []).append(path)
        elif kind in MASK:
            masks.setdefault(folder, path)
        else:
            rejects.append(Reject(path, "its name is not one of the set", "Leave it out."))
    for folder, paths in by_folder.items():
        for path in sorted(paths):
            found = CASE.match(stem(path))
            assert found is not None
            mask = masks.get(folder)
            grade = next((g for g in GRADES if g in folder.split("/")), None)
            view = SEQUENCES[found["kind"].lower()]
            rows.append((path, found["person"], found["case"], view, grade, mask))
    for folder, mask in masks.items():
        case = CASE.match(stem(mask))
        cases = {m["case"] for p in by_folder.get(folder, []) if (m := CASE.match(stem(p)))}
        renamed += bool(case and cases and case["case"] not in cases)
    if not rows:
        raise TableError(
            f"'{source}' must hold sequences such as BraTS2021_00000_flair.nii.gz, and holds none."
        )
    names = ("path", "patient_id", "group", "view", "grade", "mask_path")
    frame = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")
    found_cases = frame.group_by("group").agg(
        pl.col("view").n_unique(), pl.col("mask_path").first()
    )
    notes = [
        *count_note(found_cases.filter(pl.col("view") < 4).height, "cases lack a sequence"),
        *count_note(found_cases["mask_path"].null_count(), "cases have no mask"),
        *count_note(
            renamed, "masks are called as another case and taken from the folder they lie in"
        ),
    ]
    empty = [name for name in ("grade",) if frame[name].count() == 0]
    classes = None
    if frame["mask_path"].count():
        last = 3 if any("BraTS-" in path for path in frame["path"]) else 4
        parts = ("background", "necrosis", "oedema", "enhancing")
        classes = MaskClasses(parts, (0, 1, 2, last))
    return Found(frame.drop(empty), source, rejects=rejects, notes=notes, mask_classes=classes)


def _kind(path: str) -> str:
    """The last word of the name of a case's file; empty if it is none."""
    found = CASE.match(stem(path))
    return found["kind"].lower() if found else ""
