"""Example images of a run, ready to be shown: right and wrong answers, and heat maps."""

from __future__ import annotations

import base64
import struct
from dataclasses import dataclass
from pathlib import Path

from medgraft.report.contracts import Example, Heated, Overlay, View
from medgraft.report.saved import Saved
from medgraft.report.words import alias, file_name, number, shorten
from medgraft.runs import RunFolder

PICTURES = 12  # of either kind
PNG, JPEG = "image/png", "image/jpeg"
PLANES = {
    "axial": "Axial, from the feet to the head",
    "coronal": "Coronal, from the front to the back",
    "sagittal": "Sagittal, from the right to the left",
    "slices": "Slices along the first axis; the file does not say how it lies",
}


@dataclass(frozen=True)
class Strip:
    """Slices of a volume under one another in one picture; of a picture there is one.

    Attributes:
        slices: Number of each slice in the volume, from 1; empty for a picture.
        of: Slices of the volume.
        shape: Width and height of one slice, in pixels.
    """

    slices: list[int]
    of: int
    shape: tuple[int, int]

    @classmethod
    def in_png(cls, content: bytes, slices: list[int], of: int) -> Strip:
        """What lies in a PNG file; `slices` are numbered from 0."""
        width, height = struct.unpack(">II", content[16:24])  # where PNG keeps them
        return cls([n + 1 for n in slices], of, (width, height // max(len(slices), 1)))

    @property
    def step(self) -> int:
        """From one slice to the next."""
        return self.slices[1] - self.slices[0] if len(self.slices) > 1 else 1

    @property
    def middle(self) -> int:
        """Which of the slices is shown first, from 0."""
        return len(self.slices) // 2


@dataclass(frozen=True)
class Picture:
    """An example as it is shown."""

    anchor: str
    source: str
    alt: str
    actual: str
    predicted: str
    probability: str
    patient: str
    file: str
    correct: bool
    strip: Strip


@dataclass(frozen=True)
class HeatPicture:
    """An image and its heat map, as they are shown."""

    place: int
    anchor: str
    source: str
    heat: str
    alt: str
    actual: str
    predicted: str
    explained: str
    loss: str
    probability: str
    patient: str
    file: str
    correct: bool


def load_heat(saved: Saved) -> list[HeatPicture]:
    """The top losses with their heat maps, costliest first; none if nobody asked for them."""
    if saved.explanation is None:
        return []
    folder = RunFolder(saved.folder).explain
    return [
        heat_picture(folder, item, n, salt=saved.salt)
        for n, item in enumerate(saved.explanation.items, 1)
    ]


def by_cell(pictures: list[HeatPicture]) -> list[tuple[tuple[str, str], list[HeatPicture]]]:
    """The pictures of each cell of the confusion matrix: (actual, predicted) and whose they are."""
    found: dict[tuple[str, str], list[HeatPicture]] = {}
    for picture in pictures:
        found.setdefault((picture.actual, picture.predicted), []).append(picture)
    return list(found.items())


def heat_picture(folder: Path, item: Heated, place: int, *, salt: bytes) -> HeatPicture:
    """A picture that lies in `folder` and its heat; `place` is its number on the page, from 1."""
    actual, predicted, explained = map(_names, (item.actual, item.predicted, item.explained))
    patient = alias(item.patient_id, salt)
    file = _without_id(file_name(item.path), item.patient_id, patient)
    return HeatPicture(
        place=place,
        anchor=f"loss-{place}",
        source=embedded((folder / item.file).read_bytes()),
        heat=embedded((folder / item.heat).read_bytes()),
        alt=f"Image: {actual}, taken for {predicted}",
        actual=actual,
        predicted=predicted,
        explained=explained,
        loss=f"{item.loss:.2f}",
        probability=_equation(item.probability),
        patient=patient,
        file=file if item.plane is None else f"{file}, plane {item.plane + 1}",
        correct=item.actual == item.predicted,
    )


@dataclass(frozen=True)
class Looked:
    """A picture with the outlines of both masks, as it is shown; or the slices of a volume.

    Attributes:
        name: Of the plane, in words; empty for a picture.
        image: What was segmented, as part of the page.
        truth: Its true outline, transparent elsewhere, likewise.
        answer: The outline that was predicted.
        strip: The slices, evenly apart.
        differ: Of each slice, pixels in which the masks differ, as a share of the most.
        begin: Which slice is shown first, from 0: where they differ most.
        sides: Letters above, right, below and left of it; None where nobody knows.
        apart: How far slices lie apart, in words; empty where the file does not say.
    """

    name: str
    image: str
    truth: str
    answer: str
    strip: Strip
    differ: list[float]
    begin: int
    sides: tuple[str, str, str, str] | None
    apart: str


@dataclass(frozen=True)
class Outlined:
    """An image with the outlines of both masks, in one view or in several planes."""

    anchor: str
    rank: str
    dice: str
    classes: dict[str, str]
    patient: str
    file: str
    views: list[Looked]


def load_overlays(saved: Saved) -> list[Outlined]:
    """The worst, the middle and the best images, in the order of the run."""
    seen = [one for one in saved.overlays if one.views]
    return [_outlined(saved, one, place) for place, one in enumerate(seen, 1)]


def _outlined(saved: Saved, one: Overlay, place: int) -> Outlined:
    patient = alias(one.patient_id, saved.salt)
    several = len(one.classes) > 1
    return Outlined(
        anchor=f"image-{place}",
        rank=one.rank,
        dice=number(one.dice),
        classes={n: number(value) for n, value in one.classes.items()} if several else {},
        patient=patient,
        file=_without_id(file_name(one.path), one.patient_id, patient),
        views=[_looked(saved.folder / "examples", view) for view in one.views],
    )


def _looked(folder: Path, view: View) -> Looked:
    most = max(view.differ, default=0)
    return Looked(
        name=PLANES.get(view.plane, view.plane) if view.slices else "",
        image=embedded((folder / view.image).read_bytes(), JPEG),
        truth=embedded((folder / view.truth).read_bytes()),
        answer=embedded((folder / view.answer).read_bytes()),
        strip=Strip([n + 1 for n in view.slices], view.of, view.shape),
        differ=[pixels / most if most else 0.0 for pixels in view.differ],
        begin=view.differ.index(most) if most else len(view.slices) // 2,
        sides=view.sides,
        apart="" if view.apart_mm is None else f"{view.apart_mm:.3g} mm apart",
    )


def load_pictures(saved: Saved) -> list[Picture]:
    """Up to twelve wrong answers, then up to twelve right ones, in the order of the run."""
    right = [e for e in saved.examples if e.correct][:PICTURES]
    wrong = [e for e in saved.examples if not e.correct][:PICTURES]
    return [_picture(saved, example, n) for n, example in enumerate(wrong + right, 1)]


def _picture(saved: Saved, example: Example, place: int) -> Picture:
    content = (saved.folder / "examples" / example.file).read_bytes()
    actual, predicted = _names(example.actual), _names(example.predicted)
    patient = alias(example.patient_id, saved.salt)
    return Picture(
        anchor=f"example-{place}",
        source=embedded(content),
        alt=f"Test image: {actual}, taken for {predicted}",
        actual=actual,
        predicted=predicted,
        probability=_probability(saved, example),
        patient=patient,
        file=_without_id(file_name(example.path), example.patient_id, patient),
        correct=example.correct,
        strip=Strip.in_png(content, example.slices, example.of),
    )


def _probability(saved: Saved, example: Example) -> str:
    """The probability of the answer; nothing where several labels have one each."""
    several = saved.evaluation.kind == "independent" and len(saved.evaluation.names) > 1
    if example.probability is None or several:
        return ""
    return _equation(example.probability)


def _equation(probability: float) -> str:
    text = number(probability, digits=2)
    return f"p {text[0]} {text[1:]}" if text[0] in "<>" else f"p = {text}"


def embedded(content: bytes, kind: str = PNG) -> str:
    """A picture as part of a page."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _names(value: str | list[str] | None) -> str:
    if value is None:
        return "unknown"
    return shorten(value if isinstance(value, str) else ", ".join(value) or "none", 80)


def _without_id(name: str, patient_id: str | None, stand_in: str) -> str:
    """A file name in which the patient's id, where it stands in it, is replaced too."""
    return name.replace(patient_id, stand_in) if patient_id else name
