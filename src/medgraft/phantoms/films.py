"""What is on each film: drawn first, as plain numbers, and rendered later.

A patient has a build, a side and a dense or a fatty tissue, which all views share. Whether there
is a lesion is drawn for the patient. Everything that is not the lesion is drawn from generators
that know the patient and the view and nothing else, so that borders, markers and tape cannot
carry the label.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medgraft.seeds import derive, generator

VIEWS = ("CC", "MLO", "ML", "LM")
RADIUS = (0.045, 0.085)  # of a lesion, as a share of the film's side


@dataclass(frozen=True)
class Body:
    """The outline and tissue on a film; lengths are shares of the film's side.

    Attributes:
        depth: From the chest wall to the tip.
        height: Half the extent along the chest wall.
        middle: Where the middle lies along the chest wall, 0 the film's centre.
        ripples: Departures of the outline from an ellipse, cosine and sine of 2 and 3 turns.
        density: Share of dense tissue, 0 to 1.
        muscle: Reach of the muscle in the upper corner; 0 in views that do not show it.
    """

    depth: float
    height: float
    middle: float
    ripples: tuple[float, ...]
    density: float
    muscle: float


@dataclass(frozen=True)
class Clutter:
    """What is on a film besides the patient.

    Attributes:
        border: Width of the unexposed white edge at top, right, bottom, left; share of the side.
        marker: Row and column of the marker's centre, share of the side, the chest wall at 0.
        marker_height: Share of the side.
        tape: Row, column, length, width and angle of a strip of tape; length 0 for none.
        fog: Brightness of the empty film.
        gamma: Exponent of the film's curve.
        noise: Standard deviation of the grain.
    """

    border: tuple[float, float, float, float]
    marker: tuple[float, float]
    marker_height: float
    tape: tuple[float, float, float, float, float]
    fog: float
    gamma: float
    noise: float


@dataclass(frozen=True)
class Node:
    """A harmless bright spot, such as a vessel seen end-on or a knot of tissue.

    Attributes:
        row: Of its centre, share of the film's side.
        column: Of its centre, the chest wall at 0.
        length: Standard deviation along its longer axis, share of the side.
        width: The same along the shorter axis.
        angle: Of the longer axis, radians.
        brightness: What its middle adds.
    """

    row: float
    column: float
    length: float
    width: float
    angle: float
    brightness: float


@dataclass(frozen=True)
class Lesion:
    """A mass; lengths are shares of the film's side, the chest wall at column 0.

    Attributes:
        row: Of its centre.
        column: Of its centre.
        radius: Mean radius.
        ripples: Departures of the outline from a circle, cosine and sine of 2 and 3 turns.
    """

    row: float
    column: float
    radius: float
    ripples: tuple[float, ...]


@dataclass(frozen=True)
class Film:
    """One film.

    Attributes:
        patient: Name of the patient.
        view: One of `VIEWS`.
        laterality: "L" or "R".
        body: Outline and tissue.
        clutter: What else is on the film.
        nodes: Harmless bright spots.
        lesion: The mass, or None.
        texture_seeds: Of the tissue that all views of the patient share, and of this view.
    """

    patient: str
    view: str
    laterality: str
    body: Body
    clutter: Clutter
    nodes: tuple[Node, ...]
    lesion: Lesion | None
    texture_seeds: tuple[int, int]


def draw(*, patients: int, views: int, seed: int) -> list[Film]:
    """Decide what is on each film; half of the patients have a lesion, in all of their views."""
    sick = generator(seed, "phantoms", "sick").permutation(patients) < patients // 2
    return [
        _film(seed, number, view, sick=bool(sick[number]))
        for number in range(patients)
        for view in VIEWS[:views]
    ]


def _film(seed: int, number: int, view: str, *, sick: bool) -> Film:
    patient = generator(seed, "phantoms", "patient", number)
    laterality = "LR"[int(patient.integers(2))]
    build = patient.uniform(size=4)
    shot = generator(seed, "phantoms", "view", number, view)
    body = _body(build, shot, view)
    return Film(
        patient=f"P{number + 1:04d}",
        view=view,
        laterality=laterality,
        body=body,
        clutter=_clutter(shot),
        nodes=tuple(_node(shot, body) for _ in range(shot.integers(1, 6))),
        lesion=_lesion(generator(seed, "phantoms", "lesion", number, view), body) if sick else None,
        texture_seeds=(
            derive(seed, "phantoms", "tissue", number),
            derive(seed, "phantoms", "texture", number, view),
        ),
    )


def _body(build: np.ndarray, rng: np.random.Generator, view: str) -> Body:
    return Body(
        depth=0.52 + 0.26 * build[0] + 0.04 * rng.standard_normal(),
        height=0.32 + 0.12 * build[1] + 0.02 * rng.standard_normal(),
        middle=0.04 * rng.standard_normal(),
        ripples=tuple(float(r) for r in 0.025 * rng.standard_normal(4)),
        density=0.15 + 0.7 * build[2],
        muscle=0.0 if view == "CC" else float(rng.uniform(0.2, 0.38)),
    )


def _clutter(rng: np.random.Generator) -> Clutter:
    shown = rng.uniform(size=4) < 0.35
    border = np.where(shown, rng.uniform(0.01, 0.05, 4), 0.0)
    border[3] = 0.0  # the chest wall lies at the very edge of the film
    length = rng.uniform(0.15, 0.5) if rng.uniform() < 0.35 else 0.0
    edge = 0.04 if rng.uniform() < 0.5 else 0.96
    return Clutter(
        border=(float(border[0]), float(border[1]), float(border[2]), float(border[3])),
        marker=(
            float(rng.choice([0.11, 0.89]) + 0.02 * rng.normal()),
            float(rng.uniform(0.8, 0.9)),
        ),
        marker_height=float(rng.uniform(0.06, 0.1)),
        tape=(edge, rng.uniform(0.3, 0.7), length, rng.uniform(0.025, 0.05), rng.normal(0, 0.06)),
        fog=float(rng.uniform(0.02, 0.09)),
        gamma=float(rng.uniform(0.8, 1.25)),
        noise=float(rng.uniform(0.008, 0.022)),
    )


def _lesion(rng: np.random.Generator, body: Body) -> Lesion:
    row, column = _place(rng, body)
    ripples = 0.09 * rng.standard_normal(4)
    radius = float(rng.uniform(*RADIUS))
    return Lesion(row, column, radius, ripples=tuple(float(r) for r in ripples))


def _node(rng: np.random.Generator, body: Body) -> Node:
    row, column = _place(rng, body)
    width = float(rng.uniform(0.012, 0.028))
    return Node(
        row=row,
        column=column,
        length=width * float(rng.uniform(1, 5)),
        width=width,
        angle=float(rng.uniform(0, np.pi)),
        brightness=float(rng.uniform(0.03, 0.12)),
    )


def _place(rng: np.random.Generator, body: Body) -> tuple[float, float]:
    """Row and column of a spot well inside the body."""
    angle, reach = rng.uniform(-1.1, 1.1), np.sqrt(rng.uniform(0.04, 0.5))
    row = 0.5 + body.middle + body.height * reach * np.sin(angle)
    return float(row), float(0.06 + 0.92 * body.depth * reach * np.cos(angle))
