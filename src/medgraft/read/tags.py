"""Whose image it is, and which: what a file says about itself without its pixels."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Identity:
    """What the tags of one image say; None where they say nothing.

    Attributes:
        patient_id: Name of the patient within the archive.
        study_id: Name of the examination (DICOM Study Instance UID).
        series_id: Name of the series (DICOM Series Instance UID).
        view: Projection, such as "PA", "LL", "CC", "MLO".
        laterality: "L", "R" or "B".
        modality: DICOM code, such as "CT", "MR", "CR", "MG".
        position: Centre of the first pixel in millimetres, DICOM's own frame (x to the left,
            y to the back, z to the head).
        instance: Number of the image within its series.
        window: Least and greatest value that the file itself would show as black and white, in
            the values that `medgraft.read.read` gives; of a VOI lookup table, its ends.
    """

    patient_id: str | None = None
    study_id: str | None = None
    series_id: str | None = None
    view: str | None = None
    laterality: str | None = None
    modality: str | None = None
    position: tuple[float, float, float] | None = None
    instance: int | None = None
    window: tuple[float, float] | None = None


@dataclass(frozen=True)
class Personal:
    """What a file says that may tell whose it is; never the values.

    Attributes:
        person: Keywords of tags that may name somebody, free text among them.
        linking: Keywords of dates, times and instance identifiers, by which records can be joined.
        private: Numbers of tags that only their maker knows.
        burned_in: Whether the file itself says that its pixels bear such data; None if it is silent.
    """

    person: tuple[str, ...] = ()
    linking: tuple[str, ...] = ()
    private: tuple[str, ...] = ()
    burned_in: bool | None = None
