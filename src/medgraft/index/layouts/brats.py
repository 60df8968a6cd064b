"""BraTS: four MRI sequences of a brain tumour and its outline, by the names of 2013 to 2023.

Checked against the names that public programs read of each edition: VSD.Brain.XX.O.MR_Flair.684.mha of
2013 to 2015, Brats17_..., BraTS2021_00000_flair, and BraTS-GLI-00000-000-t2f (a patient's number, then
that of the scan) of 2023, whose masks its pages on Synapse describe.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

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
MASK = ("seg", "segm", "ot")
CASE = re.compile(
    r"^(?P<case>Brats(?:17|18|19|20)_.+|BraTS20\d\d_\d+|BraTS-(?P<person>[A-Z]+-\d+)-\d+|(?P<old>W\d+_\d{4}\.\d\d\.\d\d))"
    r"[-_](?P<kind>[A-Za-z0-9]+)$",
    re.IGNORECASE,
)
# The editions of 2013 to 2015 name files by a number of their archive, so that folders name cases.
VSD = re.compile(
    r"^VSD\.\w+\.XX\.(?:O|XX)\.(?:MR_)?(?P<kind>Flair|T1|T1c|T2|OT)\.\d+$", re.IGNORECASE
)
STROKE = "MR_DWI"  # ISLES 2015 names its files so too
GRADES = {"HGG": "HGG", "LGG": "LGG", "HG": "HGG", "LG": "LGG"}
SYNTHETIC = "Synthetic_Data"
TIME = re.compile(r"_[^_]+$")  # brats_tcia_pat153_0109 is a scan of brats_tcia_pat153


class Said(NamedTuple):
    """What the path of a file says.

    Attributes:
        home: Folder of the case.
        case: The case, the same in all its files.
        person: The patient, where the name tells.
        kind: Sequence, or one of `MASK`.
    """

    home: str
    case: str
    person: str | None
    kind: str


def recognise(source: Path) -> str | None:
    """Files such as ``BraTS2021_00000_flair.nii.gz`` or ``BraTS-GLI-00000-000-t2f.nii.gz``."""
    near = [path for path in peek(source, 100) if suffix(path) in IMAGES]
    if any(STROKE in path for path in near):
        return None
    found = [path for path in near if (said := _said(path)) and said.kind in SEQUENCES]
    return csv.unless_listed(source, f"files are called as '{found[0]}'" if found else None)


@layout(
    "brats",
    recognise=recognise,
    source="BraTS 2013 to 2023 (Menze et al. 2015)",
    published=True,
)
def brats(source: Path, asked: Asked) -> Found:  # noqa: ARG001 (takes no options)
    """One row per sequence of a case, named in `view` (flair, t1, t1ce, t2); all share its mask.

    A case is a `group`; where the name tells the patient as well (2015, since 2023), all scans of
    one are kept together. `grade` is HGG or LGG where folders say so. The numbers in the masks mean:
    1 necrosis, 2 oedema, and 4 enhancing tumour, which is 3 since 2023; up to 2015, 3 is tumour
    that does not enhance. A mask that is called as another case is taken by its folder, and said:
    one was published so.
    """
    seen = walk(source)
    rejects, masks = list(seen.rejects), dict[str, tuple[str, str]]()
    cases: dict[str, list[tuple[str, Said]]] = {}
    for path in (p for p in seen.files if suffix(p) in IMAGES):
        said = _said(path)
        if said is None:
            rejects.append(Reject(path, "its name is not one of the set", "Leave it out."))
        elif said.kind in MASK:
            masks.setdefault(said.home, (path, said.case))
        else:
            cases.setdefault(said.home, []).append((path, said))
    rows, renamed = [], 0
    for home, files in cases.items():
        mask, named = masks.get(home, (None, None))
        renamed += named is not None and named not in {said.case for _, said in files}
        grade = next((GRADES[word] for word in home.split("/") if word in GRADES), None)
        rows += [
            (path, said.person, said.case, SEQUENCES[said.kind], grade, mask)
            for path, said in sorted(files)
        ]
    if not rows:
        raise TableError(
            f"'{source}' must hold sequences such as BraTS2021_00000_flair.nii.gz, and holds none."
        )
    names = ("path", "patient_id", "group", "view", "grade", "mask_path")
    frame = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")
    made = frame.filter(pl.col("path").str.contains(SYNTHETIC, literal=True))["group"].n_unique()
    found_cases = frame.group_by("group").agg(
        pl.col("view").n_unique(), pl.col("mask_path").first()
    )
    notes = [
        *count_note(found_cases.filter(pl.col("view") < 4).height, "cases lack a sequence"),
        *count_note(found_cases["mask_path"].null_count(), "cases have no mask"),
        *count_note(
            renamed, "masks are called as another case and taken from the folder they lie in"
        ),
        *count_note(made, "cases were computed, not scanned: leave them out of any test"),
    ]
    empty = [name for name in ("grade",) if frame[name].count() == 0]
    classes = _classes(frame["path"].to_list()) if frame["mask_path"].count() else None
    return Found(frame.drop(empty), source, rejects=rejects, notes=notes, mask_classes=classes)


def _classes(paths: list[str]) -> MaskClasses:
    """What the numbers in the masks mean, which changed in 2017 and in 2023."""
    if any("VSD." in path for path in paths):
        names = ("background", "necrosis", "oedema", "not enhancing", "enhancing")
        return MaskClasses(names, (0, 1, 2, 3, 4))
    last = 3 if any("BraTS-" in path for path in paths) else 4
    return MaskClasses(("background", "necrosis", "oedema", "enhancing"), (0, 1, 2, last))


def _said(path: str) -> Said | None:
    """What a path says; None if the file is none of the set."""
    folder, plain = path.rpartition("/")[0], stem(path)
    if found := CASE.match(plain):
        kind = found["kind"].lower()
        said = Said(folder, found["case"], found["person"], kind)
        return said if kind in SEQUENCES or kind in MASK else None
    if found := VSD.match(plain):
        home = folder.rpartition("/")[0] if folder.rpartition("/")[2].startswith("VSD.") else folder
        words = [word for word in home.split("/") if word in GRADES or word == SYNTHETIC]
        name = home.rpartition("/")[2]
        case = "/".join([*words, name])  # numbers begin anew in HGG and LGG
        person = "/".join([*words, TIME.sub("", name)]) if name.startswith("brats_") else case
        return Said(home, case, person, found["kind"].lower())
    return None
