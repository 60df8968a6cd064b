"""Example images of a run, ready to be shown: right and wrong answers."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from medgraft.report.contracts import Example
from medgraft.report.saved import Saved
from medgraft.report.words import alias, file_name, number, shorten

PICTURES = 12  # of either kind


@dataclass(frozen=True)
class Picture:
    """An example as it is shown."""

    source: str
    alt: str
    actual: str
    predicted: str
    probability: str
    patient: str
    file: str
    correct: bool


def load_pictures(saved: Saved) -> list[Picture]:
    """Up to twelve wrong answers, then up to twelve right ones, in the order of the run."""
    right = [e for e in saved.examples if e.correct][:PICTURES]
    wrong = [e for e in saved.examples if not e.correct][:PICTURES]
    return [_picture(saved, example) for example in wrong + right]


def _picture(saved: Saved, example: Example) -> Picture:
    content = (saved.folder / "examples" / example.file).read_bytes()
    actual, predicted = _names(example.actual), _names(example.predicted)
    patient = alias(example.patient_id, saved.salt)
    return Picture(
        source=f"data:image/png;base64,{base64.b64encode(content).decode()}",
        alt=f"Test image: {actual}, taken for {predicted}",
        actual=actual,
        predicted=predicted,
        probability=_probability(saved, example),
        patient=patient,
        file=_without_id(file_name(example.path), example.patient_id, patient),
        correct=example.correct,
    )


def _probability(saved: Saved, example: Example) -> str:
    """The probability of the answer; nothing where several labels have one each."""
    several = saved.evaluation.kind == "independent" and len(saved.evaluation.names) > 1
    if example.probability is None or several:
        return ""
    text = number(example.probability, digits=2)
    return f"p {text[0]} {text[1:]}" if text[0] in "<>" else f"p = {text}"


def _names(value: str | list[str] | None) -> str:
    if value is None:
        return "unknown"
    return shorten(value if isinstance(value, str) else ", ".join(value) or "none", 80)


def _without_id(name: str, patient_id: str | None, stand_in: str) -> str:
    """A file name in which the patient's id, where it stands in it, is replaced too."""
    return name.replace(patient_id, stand_in) if patient_id else name
