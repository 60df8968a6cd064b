"""A folder of DICOM slices as one volume."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medgraft.read.careful import carefully
from medgraft.read.dicom import file, loading, pixels, place, values
from medgraft.read.request import Request
from medgraft.read.scan import Scan
from medgraft.read.tags import Identity

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

APART = "Put each series into a folder of its own, or read its files one by one."
SHOWN = 5


@dataclass(frozen=True)
class Slice:
    """One file of a series, without its pixels."""

    path: Path
    tags: FileDataset
    plane: place.Plane | None
    shape: tuple[int, int, int, int]


def read_series(request: Request) -> Scan:
    """A folder of single-frame DICOM files as one volume (C, slices, rows, columns).

    The slices lie in the order of their positions along the normal, or of their instance
    numbers where the files give no positions; then there is no affine, and the distance of
    slices is unknown.

    Raises:
        ReadError: If the folder holds no slices or more than one series, if slices are missing,
            doubled, unevenly spaced or of different sizes, or if one of them cannot be read.
    """
    slices = _ordered(request, _one_series(request, slices_of(request)))
    first = slices[0]
    if len(slices) == 1 and first.shape[0] > 1:  # an enhanced file, alone in its folder
        return file.read_file(dataclasses.replace(request, path=first.path))
    request.afford((len(slices), *first.shape), _bits(first.tags))
    array, value_range = _volume(request, slices)
    spacing, affine = _placed(slices)
    return Scan(
        array, spacing, affine, file.text(first.tags, "Modality"), request.name, value_range
    )


def read_identity(request: Request) -> Identity:
    """The tags of the first slice of a series."""
    slices = _ordered(request, _one_series(request, slices_of(request)))
    return file.read_identity(dataclasses.replace(request, path=slices[0].path))


def slices_of(request: Request) -> list[Slice]:
    """The images in a folder; what is not DICOM, or no image, is no slice.

    Raises:
        ReadError: If there are none.
    """
    found = []
    for path in sorted(request.path.iterdir()):
        if path.name.startswith(".") or not path.is_file():
            continue
        with path.open("rb") as handle:
            if not loading.is_dicom(handle.read(256), path):
                continue
        own = dataclasses.replace(request, path=path)
        if (part := carefully(own, _slice)) is not None:
            found.append(part)
    if not found:
        raise request.refusal(
            "it is a folder without DICOM images",
            "Give one file, or the folder of one series; `medgraft index` takes whole archives.",
        )
    return found


def _slice(request: Request) -> Slice | None:
    tags = loading.load(request, pixels=False)
    if "Rows" not in tags:
        return None
    return Slice(request.path, tags, place.plane(tags), pixels.shape(request, tags))


def _one_series(request: Request, slices: list[Slice]) -> list[Slice]:
    """The slices, if they are of one series, one size and one direction."""
    _same(request, slices, lambda part: str(part.tags.get("SeriesInstanceUID") or ""), "series")
    _same(request, slices, lambda part: str(part.tags.get("Modality") or ""), "modalities")
    _same(request, slices, lambda part: part.shape, "sizes")
    _same(
        request,
        slices,
        lambda part: str(part.tags.get("PhotometricInterpretation")),
        "kinds of pixel",
    )
    films = [part.path.name for part in slices if part.shape[0] > 1]
    if films and len(slices) > 1:
        raise request.refusal(f"'{films[0]}' in it holds several frames", APART)
    return slices


def _same(
    request: Request, slices: Sequence[Slice], key: Callable[[Slice], Hashable], what: str
) -> None:
    groups: dict[Hashable, list[str]] = {}
    for part in slices:
        groups.setdefault(key(part), []).append(part.path.name)
    if len(groups) > 1:
        listed = "; ".join(
            f"{name or 'none'}: {len(names)} files such as '{names[0]}'"
            for name, names in list(groups.items())[:SHOWN]
        )
        raise request.refusal(f"its files are of {len(groups)} {what} ({listed})", APART)


def _ordered(request: Request, slices: list[Slice]) -> list[Slice]:
    planes = [part.plane for part in slices if part.plane is not None]
    if len(planes) < len(slices):
        return _by_number(request, slices)
    heights = place.projected(planes)
    if heights is None:
        raise request.refusal("its slices are not parallel", APART)
    order = np.argsort(heights, kind="stable")
    _check_gaps(request, [slices[i] for i in order], heights[order])
    return [slices[i] for i in order]


def _by_number(request: Request, slices: list[Slice]) -> list[Slice]:
    numbers = [file.whole(part.tags, "InstanceNumber") for part in slices]
    known = [number for number in numbers if number is not None]
    if len(set(known)) < len(slices):
        raise request.refusal(
            "its files give neither positions nor different instance numbers to order them by",
            APART,
        )
    missing = sorted(set(range(min(known), max(known) + 1)) - set(known))
    if missing:
        listed = ", ".join(map(str, missing[:SHOWN]))
        raise request.refusal(
            f"{len(missing)} instance numbers are missing ({listed})",
            "Fetch the missing slices, or read the files one by one.",
        )
    return [part for _, part in sorted(zip(known, slices, strict=True), key=lambda pair: pair[0])]


def _check_gaps(request: Request, slices: Sequence[Slice], heights: np.ndarray) -> None:
    if len(slices) < 2:
        return
    gaps = np.diff(heights)
    doubled = np.flatnonzero(gaps < place.ROUNDING_MM)
    if len(doubled):
        pair = [slices[doubled[0] + step].path.name for step in (0, 1)]
        raise request.refusal(
            f"{len(doubled)} slices lie where another one does ('{pair[0]}' and '{pair[1]}')",
            "Put each time point, echo or copy into a folder of its own.",
        )
    wrong = np.flatnonzero(place.uneven(gaps))
    if len(wrong):
        at, usual = int(wrong[np.argmax(gaps[wrong])]), float(np.median(gaps))
        lost = round(float(gaps[at]) / usual) - 1
        hint = f"{lost} slices seem to be missing there" if lost > 0 else "none seems to be missing"
        raise request.refusal(
            f"its slices are unevenly spaced: {gaps[at]:.4g} mm between '{slices[at].path.name}' and"
            f" '{slices[at + 1].path.name}', usually {usual:.4g} mm; {hint}",
            "Fetch the missing slices, or read the files one by one.",
        )


def _volume(
    request: Request, slices: Sequence[Slice]
) -> tuple[np.ndarray, tuple[float, float] | None]:
    """All slices in one array, filled one by one so that memory holds them once."""
    volume = np.empty(0)
    ranges: list[tuple[float, float] | None] = []
    for at, part in enumerate(slices):
        scan = carefully(dataclasses.replace(request, path=part.path), file.read_file)
        array = scan.array if scan.dims == 2 else scan.array[:, 0]
        if at == 0:
            shape = (len(array), len(slices), *array.shape[1:])
            request.afford(shape, 8 * array.dtype.itemsize)
            volume = np.empty(shape, array.dtype)
        if request.window and at and scan.value_range != ranges[0]:
            scan, array = _alike(scan, array, ranges[0])
        kind = np.result_type(volume, array)  # some slices may be rescaled to fractions
        volume = volume.astype(kind, copy=False)
        volume[:, at] = array
        ranges.append(scan.value_range)
    known = [ends for ends in ranges if ends is not None]
    if len(known) < len(ranges):
        return volume, None
    return volume, (min(low for low, _ in known), max(high for _, high in known))


def _alike(
    scan: Scan, array: np.ndarray, to: tuple[float, float] | None
) -> tuple[Scan, np.ndarray]:
    """A windowed slice in the range of the first one, so that both show alike."""
    if to is None or scan.value_range is None:
        return scan, array
    moved = values.moved(array, scan.value_range, to)
    return dataclasses.replace(scan, value_range=to), moved


def _bits(tags: FileDataset) -> int:
    return max(int(tags.get("BitsAllocated") or 8), 8)


def _placed(slices: Sequence[Slice]) -> tuple[tuple[float, ...] | None, np.ndarray | None]:
    inner = place.spacing(slices[0].tags)
    planes = [part.plane for part in slices if part.plane is not None]
    if inner is None or len(planes) < len(slices):
        return None, None
    if len(slices) == 1:
        return _alone(slices[0], planes[0], inner)
    return place.stack(planes, inner) or (None, None)


def _alone(
    part: Slice, plane: place.Plane, inner: tuple[float, float]
) -> tuple[tuple[float, ...] | None, np.ndarray | None]:
    """A single slice is as thick as it says."""
    from medgraft.read.place import affine_from_lps

    thick = float(part.tags.get("SliceThickness") or 0)
    if thick <= 0:
        return None, None
    steps = [plane.normal * thick, plane.down * inner[0], plane.right * inner[1]]
    return (thick, *inner), affine_from_lps(steps, plane.position)
