"""Volumes as pictures: what a network for pictures sees of them, slice by slice.

A slice stands alone (slice-wise, "2-D") or with its neighbours as channels ("2.5-D"). What is said
of a volume comes from what is said of its slices: probabilities of labels are their mean, masks
are laid on one another. The volumes stay where they are; slices are cut when they are asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np

from medgraft.errors import ArgumentError, TrainingError
from medgraft.prepare import pipeline
from medgraft.train.batches import Images
from medgraft.train.recipe import BaseRecipe
from medgraft.train.supervised import Rows

ALONG = {"sagittal": 0, "coronal": 1, "axial": 2}  # of a volume whose axes run right, front, head


class Volumes(Images, Protocol):
    """What slices need of the array store."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one volume, (C, I, J, K)."""

    def image(self, row: int) -> np.ndarray:
        """One of them, not copied."""


class Outlined(Volumes, Protocol):
    """Volumes with masks."""

    def mask(self, row: int) -> np.ndarray:
        """One mask, (1, I, J, K), not copied."""


@dataclass(frozen=True)
class Slicing:
    """How volumes are cut into pictures.

    Attributes:
        count: Neighbouring slices that are the channels of a picture, an odd number. The one in
            the middle is what the picture shows; beyond the ends the last slice is repeated.
        plane: Of volumes whose axes run right, front, head (step `orient`): "axial", "coronal" or
            "sagittal", seen as people look at them, the front or the head above and the right of
            the patient on the left, or the front where the slices are sagittal. Of others the
            number of the axis that slices follow one another along, seen as they lie.
    """

    count: int
    plane: str

    @classmethod
    def of(cls, recipe: BaseRecipe) -> Self | None:
        """What a recipe says; None if it takes images whole.

        Raises:
            ArgumentError: If the number of slices is even, or nothing says how volumes lie.
        """
        plane = recipe.slice_plane
        if recipe.slices is None:
            if plane != BaseRecipe.model_fields["slice_plane"].default:
                raise ArgumentError(
                    f"slice_plane belongs to slices, got {plane!r} without it. Pass --slices 1, or"
                    " leave it out."
                )
            return None
        if recipe.slices % 2 == 0:
            raise ArgumentError(
                "slices must be odd, so that one of them is in the middle, got"
                f" {recipe.slices}. Pass --slices {recipe.slices - 1} or {recipe.slices + 1}."
            )
        steps = pipeline(recipe.steps or ())
        if recipe.steps and plane in ALONG and all(step.name != "orient" for step in steps):
            raise ArgumentError(
                f"{plane} slices need volumes that all lie alike. Add orient to --steps, or pass the"
                " number of an axis, such as --slice-plane 2."
            )
        return cls(recipe.slices, plane)

    @classmethod
    def of_record(cls, record: dict[str, Any]) -> Self | None:
        """What weights.json of a run says; None if the run took images whole."""
        found = record.get("slices")
        return None if found is None else cls(found["count"], found["plane"])

    def told(self, volume: tuple[int, ...]) -> str:
        """For the reader of a report.

        Examples:
            >>> Slicing(3, "axial").told((1, 64, 64, 40))
            '40 axial slices of each volume, with 2 neighbours as channels'
        """
        name = f"{self.plane} slices" if self.plane in ALONG else f"slices along axis {self.plane}"
        beside = f", with {self.count - 1} neighbours as channels" if self.count > 1 else ""
        return f"{self.each(volume)} {name} of each volume{beside}"

    def stack(self, volume: np.ndarray) -> np.ndarray:
        """A volume (C, I, J, K) as slices (N, C, rows, columns); nothing is copied."""
        along, rows, columns = self._order
        turned = volume.transpose(along + 1, 0, rows + 1, columns + 1)
        return turned[:, :, ::-1, ::-1] if self.plane in ALONG else turned

    def unstack(self, slices: np.ndarray) -> np.ndarray:
        """What was said of slices (N, K, rows, columns), as a volume (K, I, J, K)."""
        turned = slices[:, :, ::-1, ::-1] if self.plane in ALONG else slices
        # axis 0 of a stack runs along the first of the order, axes 2 and 3 along the others
        place = dict(zip(self._order, (0, 2, 3), strict=True))
        return turned.transpose(1, place[0], place[1], place[2])

    def picture(self, volume: np.ndarray, place: int) -> np.ndarray:
        """A slice of a volume with its neighbours, (count * C, rows, columns)."""
        stack = self.stack(volume)
        if self.count == 1:
            return np.asarray(stack[place])
        reach = self.count // 2
        near = np.arange(place - reach, place + reach + 1).clip(0, len(stack) - 1)
        return np.asarray(stack[near].reshape(-1, *stack.shape[2:]))

    def shape(self, volume: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of a picture of volumes of a shape (C, I, J, K)."""
        return (self.count * volume[0], *_moved(volume, self._order)[1:])

    def each(self, volume: tuple[int, ...]) -> int:
        """Pictures of each volume of a shape (C, I, J, K)."""
        return _moved(volume, self._order)[0]

    @property
    def _order(self) -> tuple[int, int, int]:
        """Axes of the volume: the one along which slices follow one another, rows, columns."""
        if self.plane not in ALONG:
            along = int(self.plane)
            rows, columns = (axis for axis in range(3) if axis != along)
            return along, rows, columns
        along = ALONG[self.plane]
        columns, rows = (axis for axis in range(3) if axis != along)
        return along, rows, columns


def _moved(volume: tuple[int, ...], order: tuple[int, int, int]) -> tuple[int, int, int]:
    sides = volume[1:]
    return sides[order[0]], sides[order[1]], sides[order[2]]


@dataclass(frozen=True)
class Slices:
    """The slices of stored volumes as if they were stored pictures.

    Picture ``volume * each + n`` is slice n of the volume in that row of the store.

    Attributes:
        volumes: Where they lie.
        slicing: How they are cut.

    Raises:
        TrainingError: If the images are pictures already.
    """

    volumes: Volumes
    slicing: Slicing

    def __post_init__(self) -> None:
        if len(self.volumes.shape) != 4:
            raise TrainingError(
                "slices are cut from volumes, but the prepared images are pictures of"
                f" {' x '.join(map(str, self.volumes.shape[1:]))}. Leave --slices out."
            )

    @property
    def scale(self) -> int:
        """Stored value of 1.0."""
        return self.volumes.scale

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a picture, (C, rows, columns)."""
        return self.slicing.shape(self.volumes.shape)

    @property
    def each(self) -> int:
        """Pictures of each volume."""
        return self.slicing.each(self.volumes.shape)

    def of(self, rows: np.ndarray) -> np.ndarray:
        """Numbers of all pictures of those volumes, which stand one after another."""
        return np.asarray((rows[:, None] * self.each + np.arange(self.each)).ravel())

    def image(self, row: int) -> np.ndarray:
        """One picture."""
        volume, place = divmod(int(row), self.each)
        return self.slicing.picture(self.volumes.image(volume), place)

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """Copies of pictures, (B, C, rows, columns)."""
        return np.stack([self.image(row) for row in rows])


@dataclass(frozen=True)
class OutlinedSlices(Slices):
    """Slices with their masks."""

    volumes: Outlined

    def mask(self, row: int) -> np.ndarray:
        """The mask of the slice in the middle of a picture, uint8 (1, rows, columns)."""
        volume, place = divmod(int(row), self.each)
        return np.asarray(self.slicing.stack(self.volumes.mask(volume))[place])


def seen_shape(volumes: Volumes, slicing: Slicing | None) -> tuple[int, ...]:
    """Shape of what a network sees of stored images, (C, *S): of them, or of their slices."""
    return volumes.shape if slicing is None else Slices(volumes, slicing).shape


def slices_record(volumes: Volumes, slicing: Slicing | None) -> dict[str, Any] | None:
    """For weights.json: how slices are cut, and the shape of what they are cut from."""
    if slicing is None:
        return None
    return {"count": slicing.count, "plane": slicing.plane, "volume": list(volumes.shape)}


def looking(steps: Sequence[str], slicing: Slicing | None) -> Slicing:
    """Which slices of a volume to show people: those the network sees, else axial ones.

    Where nothing turned the volumes, the slices follow one another along the first axis.

    Args:
        steps: How the volumes were prepared.
        slicing: How the network looks at them; None for whole.
    """
    turned = any(step.name == "orient" for step in pipeline(steps))
    return Slicing(1, slicing.plane if slicing else "axial" if turned else "0")


def sliced(rows: Rows, volumes: Volumes, slicing: Slicing) -> Rows:
    """Pictures of volumes, each with what is known of its volume."""
    view = Slices(volumes, slicing)
    targets = np.repeat(rows.targets, view.each, axis=0)
    return Rows(view, view.of(rows.rows), targets, each=view.each)


def joined(probability: np.ndarray, each: int) -> np.ndarray:
    """Probabilities of volumes, (N, K), the mean of those of their pictures, (N * each, K).

    Examples:
        >>> joined(np.array([[0.2], [0.4], [1.0], [1.0]]), 2).round(3).tolist()
        [[0.3], [1.0]]
    """
    return np.asarray(probability.reshape(-1, each, probability.shape[1]).mean(axis=1))
