"""Chest films of Montgomery County and Shenzhen: tuberculosis or normal.

Checked against the publishers' notes (https://data.lhncbc.nlm.nih.gov/public/Tuberculosis-Chest-X-ray-Datasets/):
names end in 0 (normal) or 1; the lungs of Montgomery were outlined by hand; the masks of Shenzhen are by
others (Stirenko et al. 2018, arXiv:1803.01199).
"""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from medgraft.errors import TableError
from medgraft.index.layouts import Asked, Found, csv, layout
from medgraft.index.layouts._published import count_note
from medgraft.index.masks import MaskClasses
from medgraft.index.paths import peek, stem, suffix, walk

FILM = re.compile(r"^(?P<patient>(?P<site>MCUCXR|CHNCXR)_\d{4})_(?P<ill>[01])(?P<mask>_mask)?$")
SITES = {"MCUCXR": "Montgomery", "CHNCXR": "Shenzhen"}
CLASSES = ("normal", "tuberculosis")
HALVES = ("leftMask", "rightMask")


def recognise(source: Path) -> str | None:
    """Images such as ``MCUCXR_0001_0.png`` or ``CHNCXR_0327_1.png``."""
    if not source.is_dir() or csv.recognise(source):
        return None
    films = [path for path in peek(source) if suffix(path) == ".png" and FILM.match(stem(path))]
    return f"films are called as '{films[0]}'" if films else None


@layout(
    "montgomery_shenzhen",
    recognise=recognise,
    source="tuberculosis films of Montgomery and Shenzhen (Jaeger et al. 2014)",
    published=True,
)
def montgomery_shenzhen(source: Path, asked: Asked) -> Found:  # noqa: ARG001 (takes no options)
    """Films with the class `label` from their names; each is of another person.

    `site` says which of the two sets a film is from. Lung masks of Shenzhen
    (``CHNCXR_0001_0_mask.png``) are taken; those of Montgomery come as two files for each film,
    left and right lung, which are no masks of one film and are left out.
    """
    seen = walk(source)
    films, masks, halves = dict[str, str](), dict[str, str](), 0
    for path in seen.files:
        found = FILM.match(stem(path))
        if not found:
            continue
        if any(f"/{half}/" in f"/{path}" for half in HALVES):
            halves += 1
        elif found["mask"]:
            masks[stem(path).removesuffix("_mask")] = path
        else:
            films.setdefault(stem(path), path)
    if not films:
        raise TableError(
            f"'{source}' must hold films called as MCUCXR_0001_0.png or CHNCXR_0001_0.png, and has"
            " none. Unpack the set below it."
        )
    frame = pl.DataFrame(
        [
            (
                path,
                found["patient"],
                SITES[found["site"]],
                CLASSES[int(found["ill"])],
                masks.get(name),
            )
            for name, path in films.items()
            if (found := FILM.match(name))
        ],
        schema=dict.fromkeys(("path", "patient_id", "site", "label", "mask_path"), pl.String),
        orient="row",
    )
    notes = [
        *count_note(halves, "masks show one lung only and were left out; join left and right"),
        *count_note(len(seen.files) - len(films) - len(masks) - halves, "images are no films"),
    ]
    if masks:
        classes = MaskClasses(("background", "lungs"), (0, 255))
        return Found(frame, source, ("label",), seen.rejects, notes, mask_classes=classes)
    return Found(frame.drop("mask_path"), source, ("label",), seen.rejects, notes)
