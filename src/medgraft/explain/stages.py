"""Which stage to look at: the last one whose map is fine enough to show a place."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from medgraft.errors import ArgumentError
from medgraft.explain.explainers import untouched
from medgraft.nets import Network

LEAST_CELLS = 16  # fewer show no place; the limit of fastai's heat maps


def map_shapes(network: Network, images: Tensor) -> dict[str, tuple[int, ...]]:
    """Spatial shape after each stage for such images, by running the first of them."""
    shapes = {}
    with untouched(network), torch.no_grad():
        x = images[:1]
        for name, stage in network.backbone.stages.items():
            x = stage(x)
            shapes[name] = tuple(x.shape[2:])
    return shapes


def choose_stage(network: Network, images: Tensor, stage: str | None = None) -> str:
    """The stage asked for, or the last whose map has at least 16 cells.

    Args:
        network: The network.
        images: Such as will be explained, shape (B, C, *S).
        stage: Asked for; None to choose.

    Raises:
        UnknownNameError: If there is no such stage; the near names are offered.
        ArgumentError: If its map has fewer than 16 cells, or if every stage's has.
    """
    if stage is not None:
        network.backbone.position(stage)
    shapes = map_shapes(network, images)
    fine = [name for name, shape in shapes.items() if math.prod(shape) >= LEAST_CELLS and shape]
    if stage in fine:
        return str(stage)
    if not fine:
        raise ArgumentError(
            f"a heat map needs a stage whose map has at least {LEAST_CELLS} cells, but at"
            f" {_by(tuple(images.shape[2:]))} every stage of {network.backbone.name} has fewer."
            " Train on larger images (--size)."
        )
    if stage is None:
        return fine[-1]
    raise ArgumentError(
        f"the map of the stage must have at least {LEAST_CELLS} cells, but that of {stage!r} has"
        f" {_by(shapes[stage])}. Stages with more: {', '.join(fine)}."
    )


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "1"
