"""INbreast: digital mammograms as DICOM, outlines as property lists, BI-RADS in a table.

Checked against Moreira et al. 2012 (doi:10.1016/j.acra.2011.09.014) and against what public programs
read from release 1.0 (AllDICOMs, AllXML, INbreast.csv).
"""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from medgraft.index.layouts import Asked, Found, layout
from medgraft.index.layouts._dicom import size_of
from medgraft.index.layouts._published import LABEL, REMEDY, count_note, need_images, once, pick
from medgraft.index.layouts._tables import has_columns, read_table
from medgraft.index.masks import MaskClasses
from medgraft.index.paths import Reject, stem, suffix, walk
from medgraft.progress import track

TABLE = "INbreast.csv"
NEED = ("Laterality", "View", "File Name", "ACR", "Bi-Rads")
# 20586908_6c613a14b80a8591_MG_R_CC_ANON.dcm: film, woman, modality, side, view
NAME = re.compile(
    r"(?:^|/)(?P<film>\d+)_(?P<woman>[0-9a-f]+)_MG_(?P<side>[LR])_(?P<view>[A-Z]+)_ANON\.(?:dcm|DCM)$"
)
SUSPICIOUS = {"1": 0, "2": 0, "3": -1, "4": 1, "5": 1, "6": 1}  # by the digit of the category
LABELS = ("suspicious", "birads", "density")


def recognise(source: Path) -> str | None:
    """An ``INbreast.csv`` with the columns of the set."""
    return f"{TABLE} has the columns of INbreast" if has_columns(source / TABLE, *NEED) else None


@layout(
    "inbreast",
    recognise=recognise,
    source="INbreast release 1.0: AllDICOMs, AllXML, INbreast.csv (Moreira et al. 2012)",
    takes=LABEL,
    published=True,
)
def inbreast(source: Path, asked: Asked) -> Found:
    """One row per film: `suspicious` by its BI-RADS category; outlines of all findings as mask.

    `suspicious` is 0 for BI-RADS 1 and 2, 1 for 4a to 6, and -1 (uncertain) for 3, probably benign: the
    set has no pathology of all findings. With ``--label birads`` the label is the category itself, with
    `density` that of the ACR, "1" to "4". The patient is the second part of the name of a film. A film
    without property list has no mask: nothing was found in it, or nobody outlined it.
    """
    table, repeated = once(read_table(source / TABLE, *NEED).select(NEED), "File Name", TABLE)
    table = table.filter(pl.col("File Name").is_not_null())
    seen = walk(source)
    named = [(path, NAME.search(path)) for path in seen.files]
    films = {found["film"]: (path, found) for path, found in named if found}
    lists = {stem(path): path for path in seen.ignored if suffix(path) == ".xml"}
    rejects, rows, sided = [*seen.rejects, *repeated], [], 0
    lines = track(table.iter_rows(), total=table.height, what="films", unit="film")
    for side, view, film, density, birads in lines:
        if film not in films:
            rejects.append(Reject(film, f"{TABLE} names it, and there is no such film", REMEDY))
            continue
        path, found = films.pop(film)
        sided += (side, view) != (found["side"], found["view"])
        size = size_of(source / path) if film in lists else None
        rows.append(
            {
                "path": path,
                "patient_id": found["woman"],
                "laterality": found["side"],
                "view": found["view"],
                "suspicious": SUSPICIOUS.get((birads or "")[:1]),
                "birads": birads,
                "density": density,
                "mask_path": f"{lists[film]}#{size[0]}x{size[1]}" if size else None,
            }
        )
    rejects += [
        Reject(path, f"{TABLE} does not describe it", "Leave it out.") for path, _ in films.values()
    ]
    labels = pick(asked, LABELS, LABELS[:1])
    identity = ("path", "patient_id", "laterality", "view", "mask_path")
    schema = dict.fromkeys((*identity, *labels), pl.String) | (
        {"suspicious": pl.Int8} if "suspicious" in labels else {}
    )
    frame = pl.DataFrame([{name: row[name] for name in schema} for row in rows], schema=schema)
    need_images(frame, rejects, source, "INbreast")
    masks = frame["mask_path"].count()
    strange = sum(row["suspicious"] is None for row in rows)
    notes = [
        *count_note(sided, f"films have another side or view in {TABLE} than in their name"),
        *count_note(strange, "films have no known BI-RADS category and no label"),
        *count_note(frame.height - masks, "films have no property list, and so no mask"),
    ]
    return Found(
        frame if masks else frame.drop("mask_path"),
        source,
        labels,
        rejects,
        notes,
        mask_classes=MaskClasses(("background", "finding"), (0, 1)) if masks else None,
    )
