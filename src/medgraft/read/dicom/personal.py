"""Tags of a DICOM file by which a patient may be known: all that are not known to be harmless.

What is harmless stands in a list, so that what nobody thought of is reported. The list follows the
attributes that the Basic Application Level Confidentiality Profile (DICOM PS3.15, table E.1-1)
leaves alone, and is shorter: free text is never on it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from medgraft.errors import ArgumentError
from medgraft.read.dicom import loading
from medgraft.read.dicom.series import slices_of
from medgraft.read.request import Request
from medgraft.read.tags import Personal

if TYPE_CHECKING:
    from pydicom.dataelem import DataElement
    from pydicom.dataset import Dataset, FileDataset

OLDEST = 89  # years; above it an age may single somebody out (45 CFR 164.514(b)(2)(i)(C))
NUMBERS_AND_CODES = frozenset(
    ["AT", "CS", "DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV"]
)
MEASURED = frozenset([0x0018, 0x0020, 0x0022, 0x0048, 0x0054, 0x3002, 0x3004, 0x5200])
PIXELS = frozenset([0x0028, 0x7FE0])
TIMES = frozenset(["DA", "TM", "DT"])
BORN = frozenset(["PatientBirthDate", "PatientBirthTime", "PatientBirthDateInAlternativeCalendar"])
HARMLESS = frozenset(
    [
        "FileMetaInformationGroupLength",
        "FileMetaInformationVersion",
        "MediaStorageSOPClassUID",
        "TransferSyntaxUID",
        "ImplementationClassUID",
        "ImplementationVersionName",
        "SpecificCharacterSet",
        "ImageType",
        "SOPClassUID",
        "Modality",
        "ModalitiesInStudy",
        "ConversionType",
        "PresentationIntentType",
        "Manufacturer",
        "ManufacturerModelName",
        "CodeValue",
        "CodingSchemeDesignator",
        "CodingSchemeVersion",
        "CodeMeaning",
        "MappingResource",
        "ContextIdentifier",
        "LongCodeValue",
        "SOPClassesInStudy",
        "ReferencedSOPClassUID",
        "LossyImageCompression",
        "VolumetricProperties",
        "VolumeBasedCalculationTechnique",
        "PixelPresentation",
        "ComplexImageComponent",
        "AcquisitionContrast",
        "ReferencedFrameNumber",
        "PatientSex",
        "PatientIdentityRemoved",
        "LongitudinalTemporalInformationModified",
        "BodyPartExamined",
        "ContrastBolusAgent",
        "ScanningSequence",
        "SequenceVariant",
        "SoftwareVersions",
        "ConvolutionKernel",
        "PatientPosition",
        "ViewPosition",
        "ImageLaterality",
        "Laterality",
        "PatientOrientation",
        "PositionReferenceIndicator",
        "MeasurementUnitsCodeSequence",
        "RealWorldValueSlope",
        "RealWorldValueIntercept",
        "RealWorldValueFirstValueMapped",
        "RealWorldValueLastValueMapped",
        "PartialView",
        "PixelIntensityRelationship",
        "BreastImplantPresent",
        "OrganDose",
        "EntranceDoseInmGy",
    ]
)


def check_name(name: str) -> None:
    """Refuse what no tag is called.

    Args:
        name: A keyword of the standard, or the number of a private tag, as `Personal` has them.

    Raises:
        ArgumentError: With a keyword that looks like it.

    Examples:
        >>> check_name("PatientID")
        >>> check_name("(0009,0010)")
        >>> check_name("PatientId")
        Traceback (most recent call last):
        ...
        medgraft.errors.ArgumentError: a DICOM tag must be named by its keyword, or by a number such as
        (0009,0010), got 'PatientId'. Did you mean 'PatientID'?
    """
    from pydicom.datadict import keyword_dict

    if name in keyword_dict or re.fullmatch(r"\([0-9A-Fa-f]{4},[0-9A-Fa-f]{4}\)", name):
        return
    close = difflib.get_close_matches(name, keyword_dict, n=1)
    raise ArgumentError(
        "a DICOM tag must be named by its keyword, or by a number such as (0009,0010), got"
        f" {name!r}."
        + (f" Did you mean {close[0]!r}?" if close else " See the tags that were found.")
    )


def of_file(request: Request) -> Personal:
    """Look through all tags of a DICOM file, those in sequences as well.

    Raises:
        ReadError: If the file holds no tags.
    """
    return _look([loading.load(request, pixels=False)])


def of_series(request: Request) -> Personal:
    """Look through all tags of all slices in a folder.

    Raises:
        ReadError: If there are none.
    """
    return _look([one.tags for one in slices_of(request)])


def _look(files: Sequence[FileDataset]) -> Personal:
    found: dict[str, set[str]] = {"person": set(), "linking": set(), "private": set()}
    left: list[Dataset] = [part for data in files for part in (data, data.file_meta)]
    while left:  # not by recursion: sequences may be nested deeper than the stack
        for element in left.pop():
            if element.VR == "SQ" and not element.tag.is_private:
                left.extend(element.value or ())
            elif kind := _kind(element):
                found[kind].add(element.keyword or str(element.tag))
    said = {str(data.get("BurnedInAnnotation") or "").upper() for data in files}
    burned_in = True if "YES" in said else False if said == {"NO"} else None
    person, linking, private = (tuple(sorted(names)) for names in found.values())
    return Personal(person, linking, private, burned_in)


def _kind(element: DataElement) -> str | None:
    """What an element may do; None if it is empty or harmless."""
    name, group = element.keyword, element.tag.group
    if element.is_empty or element.tag.element == 0:  # the length of a group
        return None
    if element.tag.is_private:
        return "private"
    if element.VR == "UI":
        return None if name in HARMLESS or name.endswith("ClassUID") else "linking"
    if name == "PatientAge":
        return None if _age(element) <= OLDEST else "person"
    if name in HARMLESS or group in PIXELS or name == "BurnedInAnnotation":
        return None
    if group in MEASURED and element.VR in NUMBERS_AND_CODES:
        return None
    if element.VR in TIMES and name not in BORN:
        return "linking"
    return "person"


def _age(element: DataElement) -> float:
    """In years; one that cannot be told is more than enough."""
    text = str(element.value)
    if not text[:-1].isdigit():
        return float("inf")
    return int(text[:-1]) if text.endswith("Y") else 0
