"""MIAS: 322 mammograms of 161 women with the centre and radius of each abnormality.

Checked against the Info.txt that comes with the set: two columns of places counted from the lower left,
no place where calcifications are spread (note 4), odd numbers right and even ones left.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from medgraft.errors import TableError
from medgraft.index.layouts import Asked, Found, layout
from medgraft.index.layouts._published import LABEL, REMEDY, count_note, need_images, pick
from medgraft.index.paths import IMAGES, Reject, stem, suffix, walk

TABLE = "Info.txt"
SIDE = 1024  # rows and columns of every film as published; y is counted from below
LABELS = ("severity", "abnormality", "tissue")
SEVERITY = {"B": "benign", "M": "malignant"}  # in order: the worst of a film is the last
NORMAL = "NORM"
LINE = re.compile(
    r"^(?P<film>mdb\d{3}) +(?P<tissue>[FGD]) +(?P<kind>[A-Z]{4})(?: +(?P<severity>[BM])\b(?P<rest>.*))?"
)
PLACE = re.compile(r"^ +(\d+) +(\d+) +(\d+)\s*$")
FILM = re.compile(r"^mdb\d{3}$")
LESION = pl.Struct(
    {"abnormality": pl.String, "severity": pl.String}
    | dict.fromkeys(("x", "y", "radius"), pl.Int64)
)


class Line(NamedTuple):
    """A line of ``Info.txt``: a film, or one abnormality of it."""

    film: str
    tissue: str
    kind: str
    severity: str | None
    place: tuple[int, int, int] | None


def recognise(source: Path) -> str | None:
    """An ``Info.txt`` with lines such as ``mdb001 G CIRC B 535 425 197``."""
    found = next(_lines(source), None) if source.is_dir() else None
    return f"{TABLE} describes films such as {found.film}" if found else None


@layout(
    "mias",
    recognise=recognise,
    source="MIAS mammograms: Info.txt and mdb001.pgm to mdb322.pgm (Suckling et al. 1994)",
    takes=LABEL | {"path"},
    published=True,
)
def mias(source: Path, asked: Asked) -> Found:
    """Films of ``Info.txt``: the worst severity as label, all abnormalities in `lesions`.

    Labels are `severity` (normal, benign, malignant), or with ``--label`` the `abnormality` of
    the worst one or the `tissue`. `lesions` lists abnormality, severity, and x, y, radius in
    pixels of the 1024 x 1024 film, from the left and **from above**; null where the table gives
    none. Films come in pairs of one woman: odd numbers are right, even ones left breasts.
    ``--path 'png256/{ref}.png'`` takes one of several copies.
    """
    films = _films(_lines(source))
    if not films:
        raise TableError(
            f"'{source / TABLE}' must describe films in lines such as 'mdb001 G CIRC B 535 425 197',"
            " and there is none. Name the folder that it lies in as SOURCE, or fetch it again."
        )
    seen = walk(source)
    paths = [p for p in seen.files if FILM.match(stem(p)) and suffix(p) in IMAGES]
    if asked.path:
        paths = _of_pattern(asked.path, paths)
    rows = [{"path": path, **films[stem(path)]} for path in paths if stem(path) in films]
    there = {stem(path) for path in paths}
    rejects = list(seen.rejects)
    rejects += [
        Reject(film, f"{TABLE} describes it, and there is no such file", REMEDY)
        for film in films
        if film not in there
    ]
    rejects += [
        Reject(path, f"{TABLE} does not describe it", "Leave it out.")
        for path in paths
        if stem(path) not in films
    ]
    need_images(pl.DataFrame(rows), rejects, source, "MIAS")
    labels = pick(asked, LABELS, ["severity"])
    keep = ("path", "patient_id", "view", "laterality", *labels, "lesions")
    schema = {name: LESION_LIST if name == "lesions" else pl.String for name in keep}
    frame = pl.DataFrame([{name: row[name] for name in keep} for row in rows], schema=schema)
    return Found(frame, source, labels, rejects, _notes(frame))


LESION_LIST = pl.List(LESION)


def _lines(source: Path) -> Iterator[Line]:
    try:
        text = (source / TABLE).read_text("ascii", errors="replace")
    except OSError:
        return
    for line in text.splitlines():
        if found := LINE.match(line):
            place = PLACE.match(found["rest"] or "")
            x, y, radius = map(int, place.groups()) if place else (0, 0, 0)
            yield Line(
                found["film"],
                found["tissue"],
                found["kind"],
                found["severity"],
                (x, SIDE - y, radius) if place else None,
            )


def _films(lines: Iterator[Line]) -> dict[str, dict[str, Any]]:
    """What is known of each film, from all its lines."""
    grouped: dict[str, list[Line]] = {}
    for line in lines:
        grouped.setdefault(line.film, []).append(line)
    return {film: _film(film, found) for film, found in grouped.items()}


def _film(film: str, lines: list[Line]) -> dict[str, Any]:
    found = [line for line in lines if line.kind != NORMAL]
    ranks = list(SEVERITY)
    worst = max(found, key=lambda line: ranks.index(line.severity or "B"), default=None)
    number = int(film[3:])
    return {
        "patient_id": f"mias{(number + 1) // 2:03}",
        "view": "MLO",
        "laterality": "R" if number % 2 else "L",
        "severity": SEVERITY[worst.severity or "B"] if worst else "normal",
        "abnormality": worst.kind if worst else NORMAL,
        "tissue": lines[0].tissue,
        "lesions": [_lesion(line) for line in found],
    }


def _lesion(line: Line) -> dict[str, Any]:
    x, y, radius = line.place or (None, None, None)
    return {
        "abnormality": line.kind,
        "severity": SEVERITY[line.severity or "B"],
        "x": x,
        "y": y,
        "radius": radius,
    }


def _of_pattern(pattern: str, paths: list[str]) -> list[str]:
    wanted = re.compile(re.escape(pattern).replace(r"\{ref\}", r"mdb\d{3}"))
    found = [path for path in paths if wanted.fullmatch(path)]
    if not found:
        raise TableError(
            f"--path must say how films are called, such as png256/{{ref}}.png; no film is called"
            f" {pattern!r}. The first is {paths[0] if paths else 'missing'!r}."
        )
    return found


def _notes(frame: pl.DataFrame) -> list[str]:
    films = frame.with_columns(film=pl.col("path").str.extract(r"(mdb\d{3})[^/]*$")).unique("film")
    several = films.filter(pl.col("lesions").list.len() > 1).height
    lesions = films["lesions"].explode(empty_as_null=False, keep_nulls=False).struct.unnest()
    placeless = lesions["x"].null_count()
    copies = frame.height - films.height
    return [
        *count_note(
            copies,
            "films are copies of others in another folder or size; --path, such as"
            " 'png256/{ref}.png', takes one of each",
        ),
        *count_note(several, "films have several abnormalities; the label is the worst of them"),
        *count_note(placeless, "abnormalities have no place: spread over the breast, or left out"),
    ]
