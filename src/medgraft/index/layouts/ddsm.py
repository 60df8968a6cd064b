"""DDSM as it was published: four films per case, an overview, outlines of abnormalities.

Checked against http://www.eng.usf.edu/cvprg/Mammography/DDSM/case_description.html, the pages of
its volumes, and DDSM_README of its server.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from medgraft.errors import ArgumentError
from medgraft.index.layouts import Asked, Found, layout
from medgraft.index.layouts._published import LABEL, REMEDY, count_note, need_images, pick
from medgraft.index.masks import MaskClasses
from medgraft.index.paths import Reject, Walk, dive, suffix, walk
from medgraft.read.ddsm.outlines import Abnormality, read_outlines
from medgraft.read.ddsm.overview import VIEWS, Overview, name_of, read_overview

OVERVIEW = re.compile(r"^[A-D]-\d+-\d+\.ics$", re.IGNORECASE)
VOLUME = re.compile(r"^(benign_without_callback|cancer|benign|normal)_\d+$")
PATHOLOGY = {  # in order: the worst of a film is the last; of UNPROVEN nobody knows
    "BENIGN_WITHOUT_CALLBACK": "benign_without_callback",
    "BENIGN": "benign",
    "UNPROVEN": None,
    "MALIGNANT": "malignant",
}
NORMAL = "normal"
LABELS = ("pathology", "category", "abnormality", "density")
FILM, DENSITY = "{film}", "{film}#optical_density"
EXTRA = {"volume": pl.String, "age_years": pl.Float64, "digitizer": pl.String}


def recognise(source: Path) -> str | None:
    """An overview such as ``A-1141-1.ics`` in some folder."""
    found = dive(source, ".ics")
    if found is None or not OVERVIEW.match(found.rpartition("/")[2]):
        return None
    return f"{found} describes a case of four films"


@layout(
    "ddsm",
    recognise=recognise,
    source="DDSM of the University of South Florida (Heath et al. 2001): .ics, .LJPEG, .OVERLAY",
    takes=LABEL | {"path"},
    published=True,
)
def ddsm(source: Path, asked: Asked) -> Found:
    """One row per film: `pathology` of the worst abnormality that is outlined in it.

    It is malignant, benign, benign_without_callback, or normal where nothing is outlined, in a
    case with cancer too; unproven is blank, unless another abnormality of the film is malignant.
    Other labels: ``--label category`` (what the volume is called: cancer, benign,
    benign_without_callback, normal; the same for all films of a case), `abnormality` (mass,
    calcification, both, none) and `density` (ACR, "1" to "4"). The boundaries of all
    abnormalities are the mask. ``--path '{film}#optical_density'`` takes each film as optical
    density, in which those of several scanners are alike; a scanner without published
    calibration is a reject. Four films and all visits of a woman are one patient.
    """
    if asked.path not in (None, FILM, DENSITY):
        raise ArgumentError(f"--path must be {FILM!r} or {DENSITY!r} here, got {asked.path!r}.")
    seen = walk(source)
    files = _Files.of(seen)
    rows, rejects, said = list[dict[str, Any]](), list(seen.rejects), Counter[str]()
    for case in (p for p in seen.ignored if OVERVIEW.match(p.rpartition("/")[2])):
        for found in _films(source, case, files, said):
            if isinstance(found, Reject):
                rejects.append(found)
            else:
                rows.append(found)
    rejects += [
        Reject(film, "no overview (.ics) describes it", REMEDY)
        for film in sorted(files.films.values())
    ]
    return _found(source, asked, rows, rejects, said)


@dataclass(frozen=True)
class _Files:
    """The files of the set, by their paths in capitals: part of the copies changed the case.

    Attributes:
        films: Films that no overview has named yet.
        outlines: Outlines.
        packed: Files that are still packed.
    """

    films: dict[str, str]
    outlines: dict[str, str]
    packed: frozenset[str]

    @classmethod
    def of(cls, seen: Walk) -> _Files:
        return cls(
            {path.upper(): path for path in seen.files if suffix(path) == ".ljpeg"},
            {path.upper(): path for path in seen.ignored if suffix(path) == ".overlay"},
            frozenset(path.upper() for path in seen.ignored if path.lower().endswith(".gz")),
        )


def _films(
    source: Path, case: str, files: _Files, said: Counter[str]
) -> Iterator[dict[str, Any] | Reject]:
    """The films of one case, as rows or rejects."""
    try:
        overview = read_overview(source / case)
    except ValueError as error:
        yield Reject(case, str(error), REMEDY)
        return
    said["short"] += len(overview.views) < len(VIEWS)
    folder, _, name = case.rpartition("/")
    for view, about in overview.views.items():
        start = f"{folder}/{name[:-4].replace('-', '_')}.{view}".lstrip("/")
        film = files.films.pop(f"{start}.LJPEG".upper(), None)
        mask = files.outlines.get(f"{start}.OVERLAY".upper())
        if film is None:
            yield _missing(f"{start}.LJPEG", files)
        elif mask is None and about.outlined:
            yield _missing(f"{start}.OVERLAY", files, film)
        else:
            said["untold"] += mask is not None and not about.outlined
            try:
                marks = read_outlines(source / mask) if mask else []
                yield _row(film, mask, overview, marks, said)
            except (ValueError, OSError) as error:
                yield Reject(film, f"its outlines cannot be used: {error}", REMEDY)


def _missing(lost: str, files: _Files, film: str | None = None) -> Reject:
    """A film or outlines that an overview promises and nobody finds."""
    remedy = "Unpack it with gunzip." if f"{lost}.gz".upper() in files.packed else REMEDY
    what = f"outlines in '{lost}'" if film else "it"
    return Reject(film or lost, f"its overview promises {what}, and there is no such file", remedy)


def _row(
    film: str,
    mask: str | None,
    overview: Overview,
    marks: Sequence[Abnormality],
    said: Counter[str],
) -> dict[str, Any]:
    name = name_of(film)
    if name is None:
        raise ValueError("the film is called as none of DDSM is")
    worst = max((m.pathology for m in marks), key=_rank, default=None)
    label = PATHOLOGY.get(worst) if worst else NORMAL
    volume = next((part for part in film.split("/") if VOLUME.match(part)), None)
    category = VOLUME.sub(r"\1", volume) if volume else None
    said["unproven"] += label is None
    said["several"] += len(marks) > 1
    said["cores"] += any(mark.cores for mark in marks)
    said["odd"] += bool(marks and category and _contradict(category, worst))
    kinds = sorted({kind.lower() for mark in marks for kind in mark.kinds})
    return {
        "path": film,
        "patient_id": name.patient,
        "study_id": name.case,
        "view": name.view,
        "laterality": name.side[0],
        "mask_path": mask,
        "pathology": label,
        "category": category,
        "abnormality": " and ".join(kinds) or "none",
        "density": str(overview.density) if overview.density else None,
        "volume": volume,
        "age_years": overview.age_years,
        "digitizer": overview.digitizer,
    }


def _rank(pathology: str) -> int:
    """How bad it is; what is called by no known name is as uncertain as UNPROVEN."""
    ranks = list(PATHOLOGY)
    return ranks.index(pathology if pathology in ranks else "UNPROVEN")


def _contradict(category: str, worst: str | None) -> bool:
    """Whether an abnormality is worse than its volume allows, or a normal case has one."""
    return category == NORMAL or (category != "cancer" and worst == "MALIGNANT")


def _found(
    source: Path,
    asked: Asked,
    rows: list[dict[str, Any]],
    rejects: list[Reject],
    said: Counter[str],
) -> Found:
    labels = pick(asked, LABELS, LABELS[:1])
    identity = ("path", "patient_id", "study_id", "view", "laterality", "mask_path")
    schema: dict[str, Any] = {**dict.fromkeys((*identity, *labels), pl.String), **EXTRA}
    frame = pl.DataFrame([{name: row[name] for name in schema} for row in rows], schema=schema)
    need_images(frame, rejects, source, "DDSM")
    if asked.path == DENSITY:
        frame = frame.with_columns(pl.col("path") + "#optical_density")
    masks = frame["mask_path"].count() > 0
    notes = [
        *count_note(said["several"], "films show several abnormalities; the label is the worst"),
        *count_note(said["unproven"], "films show only what is unproven and have no pathology"),
        *count_note(said["cores"], "films have cores outlined too: mask '....OVERLAY#core'"),
        *count_note(said["odd"], "films show what their volume should not hold (its name says so)"),
        *count_note(said["untold"], "films have outlines that their overview does not promise"),
        *count_note(said["short"], "cases have fewer than four films"),
    ]
    return Found(
        frame if masks else frame.drop("mask_path"),
        source,
        labels,
        rejects,
        notes,
        mask_classes=MaskClasses(("background", "abnormality"), (0, 1)) if masks else None,
    )
