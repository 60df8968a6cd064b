"""Volumes like an MR scan of a head: what is in each is drawn as plain numbers, then rendered.

A patient has a head and an organ in it, which all scans share but for their pose. Half of the
patients have a lesion. Volumes differ in size, have thick slices and arbitrary units, and their
files lie in different orientations, as those of a clinic do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medgraft.seeds import derive, generator

SPACING_MM = (1.0, 1.0, 2.0)
ORIENTATIONS = ("RAS", "LPS", "PIR", "SLA")  # of the files: where each axis of the array points to
ORGAN, LESION = 1, 2  # in the masks
BRIGHTEST = 0.5  # share of the range that a lesion of contrast 1 adds
RADIUS = (0.12, 0.2)  # of a lesion, as a share of half the side


@dataclass(frozen=True)
class Blob:
    """An ellipsoid; lengths are shares of half the volume's side, from its centre, R A S.

    Attributes:
        centre: Of the ellipsoid.
        radii: Half its axes.
        bend: How much its ends curve upwards.
    """

    centre: tuple[float, ...]
    radii: tuple[float, ...]
    bend: float = 0.0

    def profile(self, grid: np.ndarray) -> np.ndarray:
        """1 in its middle, 0.5 at its edge, 0 far away, for a grid (3, *S)."""
        x, y, z = (grid[axis] - self.centre[axis] for axis in range(3))
        z = z - self.bend * y**2
        scaled = zip((x, y, z), self.radii, strict=True)
        far = np.sqrt(sum((way / radius) ** 2 for way, radius in scaled))
        return np.asarray(0.5 - 0.5 * np.tanh((far - 1) / 0.15), dtype=np.float32)


@dataclass(frozen=True)
class Volume:
    """One volume.

    Attributes:
        patient: Name of the patient.
        scan: Number of the scan, from 1.
        extent: Share of the side that the volume spans along R, A and S.
        orientation: One of `ORIENTATIONS`, of the file.
        head: The outline.
        cavity: A dark hole in it.
        organ: What every patient has.
        spots: Harmless bright blobs, dimmer than a lesion.
        lesion: Of a sick patient, else None.
        gain: What values are multiplied by; scanners have no unit.
        bias: How much brighter one side is, along R, A and S.
        noise: Standard deviation of the grain.
        texture_seeds: Of the patient's tissue, and of this scan's grain.
    """

    patient: str
    scan: int
    extent: tuple[float, ...]
    orientation: str
    head: Blob
    cavity: Blob
    organ: Blob
    spots: tuple[Blob, ...]
    lesion: Blob | None
    gain: float
    bias: tuple[float, ...]
    noise: float
    texture_seeds: tuple[int, int]

    def size(self, side: int) -> tuple[int, ...]:
        """Voxels along R, A and S, if a side of 1 has `side` millimetres."""
        spans = zip(self.extent, SPACING_MM, strict=True)
        return tuple(max(4, round(share * side / step)) for share, step in spans)


def draw_volumes(*, patients: int, scans: int, seed: int) -> list[Volume]:
    """Decide what is in each volume; half of the patients have a lesion, in all of their scans."""
    sick = generator(seed, "phantoms", "sick").permutation(patients) < patients // 2
    return [
        _volume(seed, number, scan, sick=bool(sick[number]))
        for number in range(patients)
        for scan in range(1, scans + 1)
    ]


def _volume(seed: int, number: int, scan: int, *, sick: bool) -> Volume:
    build = generator(seed, "phantoms", "head", number).uniform(size=6)
    shot = generator(seed, "phantoms", "scan", number, scan)
    shift = 0.04 * shot.standard_normal(3)
    head = Blob(_tuple(shift), (0.66 + 0.06 * build[0], 0.84 + 0.08 * build[1], 0.64))
    organ = Blob(
        _tuple(shift + np.array([0.3 + 0.05 * build[2], 0.1 * build[3] - 0.05, -0.15])),
        (0.13 + 0.04 * build[4], 0.34 + 0.08 * build[5], 0.14),
        bend=0.8,
    )
    return Volume(
        patient=f"P{number + 1:04d}",
        scan=scan,
        extent=_tuple(np.array([0.85, 1.0, 0.8]) + 0.04 * shot.standard_normal(3)),
        orientation=ORIENTATIONS[int(shot.integers(len(ORIENTATIONS)))],
        head=head,
        cavity=Blob(_tuple(shift + np.array([0.0, -0.05, 0.1])), (0.1, 0.3, 0.14)),
        organ=organ,
        spots=tuple(Blob(_inside(shot, head), (0.05,) * 3) for _ in range(shot.integers(1, 4))),
        lesion=_lesion(generator(seed, "phantoms", "growth", number, scan), head) if sick else None,
        gain=float(shot.uniform(0.6, 1.0)),
        bias=_tuple(0.1 * shot.standard_normal(3)),
        noise=float(shot.uniform(0.015, 0.03)),
        texture_seeds=(
            derive(seed, "phantoms", "brain", number),
            derive(seed, "phantoms", "grain", number, scan),
        ),
    )


def _lesion(rng: np.random.Generator, head: Blob) -> Blob:
    radius = rng.uniform(*RADIUS)
    return Blob(_inside(rng, head), _tuple(radius * rng.uniform(0.85, 1.15, 3)))


def _inside(rng: np.random.Generator, head: Blob) -> tuple[float, ...]:
    """A place well inside the head."""
    way = rng.standard_normal(3)
    way *= rng.uniform(0.2, 0.65) / np.linalg.norm(way)
    return _tuple(np.array(head.centre) + way * head.radii)


def _tuple(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def render_volume(volume: Volume, *, side: int, contrast: float) -> tuple[np.ndarray, np.ndarray]:
    """The values of a volume and its mask, with axes R, A, S.

    Args:
        volume: What `draw_volumes` decided.
        side: Voxels along an axis of full extent.
        contrast: Brightness that the middle of a lesion adds, as a share of `BRIGHTEST`; 0
            leaves volumes that do not show whether there is a lesion.

    Returns:
        Values, float32 (I, J, K) in [0, 1], and places of the classes, uint8: 0 the ground,
        `ORGAN`, `LESION`.
    """
    size = volume.size(side)
    grid = _grid(size, side)
    inside, organ = volume.head.profile(grid), volume.organ.profile(grid)
    light = inside * (0.38 + 0.05 * _tissue(volume.texture_seeds[0], size) + 0.2 * organ)
    light -= 0.25 * inside * volume.cavity.profile(grid)
    for spot in volume.spots:
        light += 0.12 * inside * spot.profile(grid)
    mask = np.where((organ > 0.5) & (inside > 0.5), ORGAN, 0).astype(np.uint8)
    if volume.lesion is not None:
        lesion = volume.lesion.profile(grid)
        light += BRIGHTEST * contrast * inside * lesion
        mask[(lesion > 0.5) & (inside > 0.5)] = LESION
    slope = sum(share * way for share, way in zip(volume.bias, grid, strict=True))
    light = light * (1 + slope) * volume.gain
    grain = np.random.default_rng(volume.texture_seeds[1]).standard_normal(size, np.float32)
    light = np.clip(light + volume.noise * grain, 0, 1)
    return light.astype(np.float32), mask


def _grid(size: tuple[int, ...], side: int) -> np.ndarray:
    """Where the centre of each voxel lies, in halves of `side` millimetres, (3, *S)."""
    ways = [
        (np.arange(n, dtype=np.float32) - (n - 1) / 2) * step * 2 / side
        for n, step in zip(size, SPACING_MM, strict=True)
    ]
    return np.stack(np.meshgrid(*ways, indexing="ij"))


def _tissue(seed: int, size: tuple[int, ...]) -> np.ndarray:
    """Smooth noise, amplitude 1 / f**1.5, mean 0 and standard deviation 1."""
    white = np.random.default_rng(seed).standard_normal(size, np.float32)
    axes = [np.fft.fftfreq(n) * n for n in size[:-1]] + [np.fft.rfftfreq(size[-1]) * size[-1]]
    far = np.sqrt(sum(way**2 for way in np.meshgrid(*axes, indexing="ij")))
    gain = np.where(far > 0, np.maximum(far, 1.0) ** -1.5, 0)
    field = np.fft.irfftn(np.fft.rfftn(white) * gain, s=size, axes=(0, 1, 2))
    return np.asarray(field / field.std(), dtype=np.float32)
