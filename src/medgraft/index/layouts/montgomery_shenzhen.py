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
from medgraft.index.masks import JOIN, MaskClasses
from medgraft.index.paths import Reject, peek, stem, suffix, walk

FILM = re.compile(r"^(?P<patient>(?P<site>MCUCXR|CHNCXR)_\d{4})_(?P<ill>[01])(?P<mask>_mask)?$")
SITES = {"MCUCXR": "Montgomery", "CHNCXR": "Shenzhen"}
CLASSES = ("normal", "tuberculosis")
EIGHT_BITS = 255  # what stands for lungs in a mask of so many; 1 in one of one bit
HALVES = frozenset(["leftMask", "rightMask"])


def recognise(source: Path) -> str | None:
    """Images such as ``MCUCXR_0001_0.png`` or ``CHNCXR_0327_1.png``."""
    films = [path for path in peek(source) if suffix(path) == ".png" and FILM.match(stem(path))]
    return csv.unless_listed(source, f"films are called as '{films[0]}'" if films else None)


@layout(
    "montgomery_shenzhen",
    recognise=recognise,
    source="tuberculosis films of Montgomery and Shenzhen (Jaeger et al. 2014)",
    published=True,
)
def montgomery_shenzhen(source: Path, asked: Asked) -> Found:  # noqa: ARG001 (takes no options)
    """Films with the class `label` from their names; each is of another person.

    `site` says which of the two sets a film is from. Its lungs are its mask: a file of Shenzhen
    (``CHNCXR_0001_0_mask.png``), two joined ones of Montgomery, left and right lung. Masks of
    Montgomery with one bit a pixel number lungs 1 and those of Shenzhen 255; where both are
    there, those of Montgomery are left out.
    """
    seen = walk(source)
    films, masks, halves = dict[str, str](), dict[str, str](), dict[str, list[str]]()
    rejects = list(seen.rejects)
    for path in seen.files:
        found = FILM.match(stem(path))
        if not found:
            continue
        if not HALVES.isdisjoint(path.split("/")):
            halves.setdefault(stem(path), []).append(path)
            continue
        kept = masks if found["mask"] else films
        name = stem(path).removesuffix("_mask")
        if name in kept:
            rejects.append(Reject(path, f"'{kept[name]}' has the same name", "Keep one of them."))
        else:
            kept[name] = path
    if not films:
        raise TableError(
            f"'{source}' must hold films called as MCUCXR_0001_0.png or CHNCXR_0001_0.png, and has"
            " none. Unpack the set below it."
        )
    masks, number, said = _with_halves(source, masks, halves)
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
    others = sum(FILM.match(stem(path)) is None for path in seen.files)
    notes = [*count_note(others, "images are no films"), *said]
    bare = frame["mask_path"].count() == 0
    return Found(
        frame.drop("mask_path") if bare else frame,
        source,
        ("label",),
        rejects,
        notes,
        mask_classes=None if bare else MaskClasses(("background", "lungs"), (0, number)),
    )


def _with_halves(
    source: Path, masks: dict[str, str], halves: dict[str, list[str]]
) -> tuple[dict[str, str], int, list[str]]:
    """The masks with those of Montgomery joined, what stands for lungs in them, and notes."""
    pairs = {name: sorted(paths) for name, paths in halves.items() if len(paths) == len(HALVES)}
    alone = count_note(len(halves) - len(pairs), "films lack the mask of a lung, and so have none")
    first = next(iter(pairs.values()), None)
    number = _number(source / first[0]) if first else EIGHT_BITS
    if masks and number != EIGHT_BITS:
        text = "masks of Montgomery number lungs otherwise and were left out"
        return masks, EIGHT_BITS, [*count_note(len(pairs), text), *alone]
    return masks | {name: JOIN.join(paths) for name, paths in pairs.items()}, number, alone


def _number(file: Path) -> int:
    """What stands for the lungs in a mask, by the bits of a pixel in the header of the PNG."""
    with file.open("rb") as handle:
        return 1 if handle.read(25)[24:] == b"\x01" else EIGHT_BITS
