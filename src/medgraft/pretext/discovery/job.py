"""The whole discovery: places, descriptors, neighbours, boxes; a table and a contact sheet."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from medgraft import __version__
from medgraft.errors import ArgumentError
from medgraft.files import new_folder, replacing, sha256
from medgraft.index import Index
from medgraft.nets.weights import save_weights
from medgraft.phantoms import is_archive
from medgraft.prepare import canonical, default_steps, pipeline
from medgraft.pretext.discovery.boxes import draw_boxes
from medgraft.pretext.discovery.descriptors import check_source, describe
from medgraft.pretext.discovery.likeness import likeness
from medgraft.pretext.discovery.neighbours import nearest_allowed, require_search
from medgraft.pretext.discovery.places import Place, draw_places, holding
from medgraft.pretext.discovery.scans import Scans, open_scans, usable_part
from medgraft.pretext.discovery.settings import (
    Settings,
    default_crop,
    default_held_out,
    default_neighbours,
    default_patterns,
)
from medgraft.pretext.discovery.sheet import COLUMNS, chosen_ranks, strip, write_sheet
from medgraft.pretext.discovery.table import SCHEMA, Patterns
from medgraft.pretext.discovery.tissue import Tissue
from medgraft.progress import track
from medgraft.seeds import derive
from medgraft.train.batches import Placement
from medgraft.train.data import spatial_axes
from medgraft.train.hardware import describe as hardware
from medgraft.train.hardware import find_device

GRID = {2: 224, 3: 64}
SHOWN = 24  # patterns on the sheet


@dataclass(frozen=True)
class Counts:
    """How many of everything.

    Attributes:
        patterns: Classes.
        neighbours: Training scans of each.
        held_out: Validation scans of each.
    """

    patterns: int
    neighbours: int
    held_out: int


def discover(index_path: Path, out: Path, settings: Settings, *, command: list[str]) -> Patterns:
    """Find patterns and write them to a folder.

    Args:
        index_path: Written by `medgraft index`; labels are not needed and not looked at.
        out: A new or empty folder.
        settings: What to look for.
        command: How this was called, for the record.

    Returns:
        What was written.

    Raises:
        OutputError: If `out` is in use.
        MissingExtraError: If faiss is not installed.
        ArgumentError: If there are fewer scans than a pattern has neighbours, or than patterns.
        TrainingError: If too few scans have a place for a pattern.
        TableError, LeakageError, StoreError: If the index or its images are not usable.
    """
    began = time.monotonic()
    require_search()
    whole = Index.load(index_path)
    index = usable_part(whole)
    dims = spatial_axes(index)
    _crop_axes(settings, dims)
    training = int((index.frame["split"] != "val").fill_null(value=True).sum())
    count(settings, training, len(index) - training, dims)
    steps = _steps(settings, dims)
    check_source(settings, whole, dims)
    device = find_device(settings.device)
    new_folder(out)
    scans = open_scans(index, steps)
    counts = count(settings, int(scans.training.sum()), int((~scans.training).sum()), dims)
    crop = _crop(settings, scans.shape)
    tissue = Tissue(settings.threshold, settings.least, settings.most)
    places, passed = _places(scans, counts, crop, tissue, settings)
    holds = _holds(scans, places, crop, tissue)
    described = describe(scans.index, settings, scans.training, Placement(device))
    found = _neighbours(described.values, scans, counts, places, holds)
    patterns = Patterns(_table(found, places, crop, scans.shape, settings), scans.index, {})
    notes = [*scans.notes, *described.notes]
    if passed:
        notes.append(f"{passed} scans offered no place for a pattern and others were drawn.")
    alike = _alike(scans, places, found, crop, holds, settings)
    shown = _draw(scans, places, found, crop, out)
    record = {
        "medgraft": __version__,
        "command": command,
        "seed": settings.seed,
        "index": sha256(index_path),
        "patterns": counts.patterns,
        "neighbours": counts.neighbours,
        "held_out": counts.held_out,
        "scans": int(scans.training.sum()),
        "scans_held_out": int((~scans.training).sum()),
        "synthetic": is_archive(scans.index.root),
        "steps": canonical(pipeline(steps)),
        "shape": list(scans.shape),
        "crop": list(crop),
        "settings": settings.model_dump(mode="json"),
        "descriptors": described.record,
        "places": [
            {
                **asdict(place),
                "holding": int(holds[n][scans.training].sum()),
                "near": near,
                "any": any_,
                "farthest": float(found[0][1][n, -1]),
            }
            for n, (place, (near, any_)) in enumerate(zip(places, alike, strict=True))
        ],
        "shown": shown,
        "seconds": round(time.monotonic() - began, 1),
        "hardware": hardware(),
        "notes": notes,
    }
    patterns = replace(patterns, record=record)
    _save_descriptors(described.values, out / "descriptors.npy")
    if described.network is not None:
        about = {"architecture": described.network.backbone.name, "licence": "yours"}
        save_weights(described.network, out / "autoencoder.safetensors", about)
    patterns.save(out)
    return patterns


def count(settings: Settings, training: int, held_out: int, dims: int) -> Counts:
    """How many patterns and neighbours there will be, or why that many cannot be.

    Raises:
        ArgumentError: If there are fewer scans than a pattern has neighbours, or than patterns.

    Examples:
        >>> count(Settings(), 100, 20, 3)
        Counts(patterns=44, neighbours=33, held_out=5)
    """
    patterns = settings.patterns or default_patterns(training, dims)
    neighbours = settings.neighbours or default_neighbours(training, dims)
    later = settings.held_out
    later = default_held_out(neighbours, held_out) if later is None else later
    wanted = (
        ("neighbours", neighbours, training, "training"),
        ("patterns", patterns, training, "training"),
        ("held-out", later, held_out, "validation"),
    )
    for flag, asked, there, part in wanted:
        if asked > there:
            why = {
                "neighbours": "every pattern is cut from so many different scans",
                "patterns": "every pattern has a reference scan of its own",
                "held-out": "validation crops are cut from the val part",
            }[flag]
            fewer = there >= (0 if flag == "held-out" else 2)  # a class of one is none
            remedy = f"Pass --{flag} {there} or fewer, or index more scans."
            raise ArgumentError(
                f"--{flag} must be at most the usable {part} scans, because {why}, but there are"
                f" {there} and {asked} were asked for. {remedy if fewer else 'Index more scans.'}"
            )
    return Counts(patterns, neighbours, later)


def _steps(settings: Settings, dims: int) -> list[str]:
    if settings.steps is not None:
        pipeline(settings.steps)
        return list(settings.steps)
    return default_steps(settings.size or GRID[dims], settings.channels, settings.window)


def _crop_axes(settings: Settings, dims: int) -> None:
    if settings.crop is not None and len(settings.crop) not in (1, dims):
        raise ArgumentError(
            f"--crop must be one side or one for each of the {dims} axes, got {settings.crop}."
        )


def _crop(settings: Settings, shape: tuple[int, ...]) -> tuple[int, ...]:
    crop = settings.crop or default_crop(shape)
    sides = crop * len(shape) if len(crop) == 1 else crop
    if any(side > n for side, n in zip(sides, shape, strict=True)):
        raise ArgumentError(
            f"crops must fit into the scans, which are {' x '.join(map(str, shape))}, but --crop asks"
            f" for {' x '.join(map(str, sides))}. Take smaller crops, or a larger --size."
        )
    return sides


def _places(
    scans: Scans, counts: Counts, crop: tuple[int, ...], tissue: Tissue, settings: Settings
) -> tuple[list[Place], int]:
    """Places that enough scans show, their references counted among all scans."""
    own, others = np.flatnonzero(scans.training), np.flatnonzero(~scans.training)
    shown = holding(own.tolist(), scans.load, scans.shape, crop, tissue) >= counts.neighbours
    if counts.held_out:
        seen = holding(others.tolist(), scans.load, scans.shape, crop, tissue)
        shown &= seen >= counts.held_out
    places, passed = draw_places(
        len(own),
        lambda scan: scans.load(int(own[scan])),
        scans.shape,
        crop,
        tissue,
        count=counts.patterns,
        distance=settings.distance,
        seed=settings.seed,
        allowed=shown,
    )
    return [replace(place, reference=int(own[place.reference])) for place in places], passed


def _holds(
    scans: Scans, places: Sequence[Place], crop: tuple[int, ...], tissue: Tissue
) -> np.ndarray:
    """Which scans show something at each place, bool (patterns, scans)."""
    starts = [place.start for place in places]
    each = track(range(len(scans)), what="look at places", unit="scan")
    return np.stack([tissue.at(scans.load(scan), starts, crop) for scan in each], axis=1)


Found = list[tuple[np.ndarray, np.ndarray]]  # scans and distances, (patterns, k), of each part


def _neighbours(
    descriptors: np.ndarray,
    scans: Scans,
    counts: Counts,
    places: Sequence[Place],
    holds: np.ndarray,
) -> Found:
    """Of the training part, then of the validation part if any are wanted."""
    queries = descriptors[[place.reference for place in places]]
    found = []
    for part, wanted in ((scans.training, counts.neighbours), (~scans.training, counts.held_out)):
        if wanted:
            own = np.flatnonzero(part)
            rows, distances = nearest_allowed(descriptors[own], queries, wanted, holds[:, own])
            found.append((own[rows], distances))
    _reference_first(found[0], places)
    return found


def _reference_first(found: tuple[np.ndarray, np.ndarray], places: Sequence[Place]) -> None:
    """Put each reference before scans whose descriptors are identical to its own."""
    rows, distances = found
    for n, place in enumerate(places):
        at = np.flatnonzero(rows[n] == place.reference)
        end = int(at[0]) if len(at) else rows.shape[1] - 1  # more twins than neighbours
        rows[n, 1 : end + 1] = rows[n, :end].copy()
        rows[n, 0] = place.reference
        distances[n, 1 : end + 1] = distances[n, :end].copy()
        distances[n, 0] = 0.0


def _table(
    found: Found,
    places: Sequence[Place],
    crop: tuple[int, ...],
    shape: tuple[int, ...],
    settings: Settings,
) -> pl.DataFrame:
    parts = []
    for split, (rows, distances) in zip(("train", "val"), found, strict=False):
        for number, place in enumerate(places):
            boxes = draw_boxes(
                place.start,
                crop,
                shape,
                rows.shape[1],
                larger=settings.larger,
                zoom=settings.zoom,
                jitter=settings.jitter,
                seed=derive(settings.seed, split, number),
            )
            scales = boxes.starts.shape[1]
            parts.append(
                pl.DataFrame(
                    {
                        "pattern": np.full(rows.shape[1] * scales, number),
                        "scan": rows[number].repeat(scales),
                        "split": [split] * (rows.shape[1] * scales),
                        "rank": np.arange(rows.shape[1]).repeat(scales),
                        "distance": distances[number].repeat(scales),
                        "scale": np.tile(np.arange(scales), rows.shape[1]),
                        "start": boxes.starts.reshape(-1, len(shape)).tolist(),
                        "side": boxes.sides.reshape(-1, len(shape)).tolist(),
                    },
                    schema=SCHEMA,
                )
            )
    return pl.concat(parts)


def _alike(
    scans: Scans,
    places: Sequence[Place],
    found: Found,
    crop: tuple[int, ...],
    holds: np.ndarray,
    settings: Settings,
) -> list[tuple[float, float]]:
    return [
        likeness(
            scans.store,
            scans.rows[found[0][0][n]],
            place.start,
            crop,
            scans.rows[scans.training & holds[n]],
            seed=derive(settings.seed, "likeness", n),
        )
        for n, place in enumerate(track(places, what="compare", unit="pattern"))
    ]


def _draw(
    scans: Scans, places: Sequence[Place], found: Found, crop: tuple[int, ...], out: Path
) -> list[dict[str, Any]]:
    """Write the pictures of the first patterns; what was shown, for the page."""
    strips, shown = [], []
    for n, place in enumerate(track(places[:SHOWN], what="draw", unit="pattern")):
        near = found[0][0][n]
        ranks = chosen_ranks(len(near), COLUMNS)
        strips.append(strip(scans.store, scans.rows[near[ranks]], place.start, crop))
        file = f"patterns/{n + 1:03d}.png"
        with replacing(out / file) as temporary:
            strips[-1].save(temporary, format="PNG")
        shown.append({"pattern": n, "file": file, "ranks": ranks})
    write_sheet(strips, [str(n + 1) for n in range(len(strips))], out / "patterns.png")
    return shown


def _save_descriptors(values: np.ndarray, path: Path) -> None:
    with replacing(path) as temporary, temporary.open("wb") as handle:
        np.save(handle, values, allow_pickle=False)
