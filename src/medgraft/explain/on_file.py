"""A run's answer about one file, and its heat map laid on the grid of that file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from medgraft.errors import ReadError
from medgraft.explain.explainers import explainers
from medgraft.explain.job import METHOD
from medgraft.explain.stages import choose_stage
from medgraft.prepare.depth import quantised
from medgraft.prepare.geometry import Geometry, prepare_placed, restore
from medgraft.prepare.pipeline import load_scan, pipeline
from medgraft.registry import unknown_name
from medgraft.train.ensemble import Ensemble
from medgraft.train.predict import Arrays

MOST_CELLS = 128  # along each axis of a map: it is smooth, and is stretched over the picture


@dataclass(frozen=True)
class Look:
    """What a run says of a file, and what spoke for one class.

    Attributes:
        probabilities: By class or label.
        explained: Whose heat it is.
        heat: From 0 to 1 at the hottest cell, float32, over the extent of the file: its spatial
            axes, in its order, with at most 128 cells each. Zero where nothing was prepared.
        stage: Whose maps were weighted.
    """

    probabilities: dict[str, float]
    explained: str
    heat: np.ndarray
    stage: str


def look(
    ensemble: Ensemble, record: dict[str, Any], file: str, *, label: str | None = None
) -> Look:
    """Answer one file as `medgraft predict` does, and explain the answer.

    Args:
        ensemble: What answers, of `medgraft.train.predict.load_ensemble`.
        record: What weights.json of the run says.
        file: An image; a folder stands for a DICOM series.
        label: Class or label to explain; None for the likeliest.

    Raises:
        ReadError: If the file cannot be read, or is not such as the run was trained on.
        UnknownNameError: If there is no such label.
    """
    names: list[str] = record["labels"]
    if label is not None and label not in names:
        raise unknown_name("label", label, names)
    array, geometry = _prepared(file, record)
    stored = Arrays(array[None], record["scale"])
    probability = ensemble.probabilities(stored, np.zeros(1, int))[0]
    place = int(probability.argmax()) if label is None else names.index(label)
    best = ensemble.best
    images = best.normalise(best.placement.images(array[None], record["scale"]))
    stage = choose_stage(best.network, images)
    classes = torch.tensor([place], device=images.device)
    heat = explainers.get(METHOD).explain(best.network, images, classes, stage)[0].cpu().numpy()
    peak = float(heat.max())
    return Look(
        probabilities={n: float(p) for n, p in zip(names, probability, strict=True)},
        explained=names[place],
        heat=lay(heat / peak if peak > 0 else heat, geometry),
        stage=stage,
    )


def _prepared(file: str, record: dict[str, Any]) -> tuple[np.ndarray, Geometry]:
    """A file as the run prepared its own: stored integers (C, *S), and where they lie in it."""
    chain = pipeline(record["steps"])
    array, geometry = prepare_placed(load_scan(file, chain), chain)
    wanted = (record["channels"], *record["input_size"])
    if array.shape != wanted:
        found, needed = (" x ".join(map(str, shape)) for shape in (array.shape, wanted))
        raise ReadError(
            file,
            f"prepared, it is {found} (channels first), but the run was trained on {needed}",
            "Use a run that was trained on such images.",
        )
    return quantised(array, int(record["scale"]).bit_length()), geometry


def lay(heat: np.ndarray, geometry: Geometry) -> np.ndarray:
    """The cells of a map, laid over the extent of a file.

    Args:
        heat: Shape (*cells), float; every cell covers its share of the prepared image.
        geometry: Of the prepared image.

    Returns:
        Shape as `Look.heat`; between the middles of cells it is interpolated.

    Examples:
        Two cells over a file of four columns, of which preparation cut the last two away:

        >>> half = Geometry(given=(1, 4), prepared=(1, 2), axes=(0, 1), scales=(1, 1), offsets=(0, 0))
        >>> lay(np.array([[0.5, 1.0]], np.float32), half)
        array([[0.5, 1. , 0. , 0. ]], dtype=float32)
    """
    factors = [-(-size // MOST_CELLS) for size in geometry.given]
    scales, offsets = [], []
    for cells, size, axis, scale, offset in zip(
        heat.shape, geometry.prepared, geometry.axes, geometry.scales, geometry.offsets, strict=True
    ):
        per_cell, factor = size / cells, factors[axis]
        middle = offset + scale * (per_cell / 2 - 0.5)  # of cell 0, in pixels of the file
        scales.append(scale * per_cell / factor)
        offsets.append((middle - (factor - 1) / 2) / factor)
    coarse = Geometry(
        given=tuple(-(-n // f) for n, f in zip(geometry.given, factors, strict=True)),
        prepared=heat.shape,
        axes=geometry.axes,
        scales=tuple(scales),
        offsets=tuple(offsets),
    )
    laid: np.ndarray = restore(heat[None].astype(np.float32), coarse)[0]
    return laid
