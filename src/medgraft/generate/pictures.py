"""Sheets of samples, reconstructions and interpolations, for the report."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from medgraft.files import replacing
from medgraft.generate.generator import Generator
from medgraft.generate.sheets import sheet
from medgraft.seeds import generator as stream
from medgraft.train.supervised import Rows

ACROSS = 8
MANY, FEW = 48, 16  # images of a sheet: of all, of one class
PAIRS = 4
SCALE = 255


def write_pictures(
    folder: Path, generator: Generator, held_out: Rows, training: Rows, *, seed: int, split: str
) -> list[dict[str, str]]:
    """Write sheets as PNG.

    Args:
        folder: Where to.
        generator: A trained model.
        held_out: Images to restore.
        training: Images to show beside the samples.
        seed: Of the run: the samples are the first of this seed, none is chosen.
        split: Which part `held_out` is.

    Returns:
        ``file``, ``title`` and ``caption`` of each sheet.
    """
    folder.mkdir(parents=True, exist_ok=True)
    listed: list[dict[str, str]] = []

    def add(name: str, images: Tensor, title: str, caption: str) -> None:
        save_sheet(folder / f"{name}.png", images)
        listed.append({"file": f"{name}.png", "title": title, "caption": caption})

    add(
        "samples",
        generator.sample(MANY, seed=seed),
        "Samples",
        f"The first {MANY} of seed {seed}; none was chosen.",
    )
    real = _few(training, min(MANY, len(training.rows)), seed, "real")
    add("real", real, "Real images", "Of the training part, drawn by the seed.")
    for number, name in enumerate(generator.classes):
        images = generator.sample(FEW, seed=seed, labels=name)
        add(f"class-{number}", images, f"Samples of {name}", "The same codes in every class.")
    if generator.reconstructs:
        before = _few(held_out, min(2 * ACROSS, len(held_out.rows)), seed, "restored")
        after = generator.reconstruct(before)
        rows = [
            images[place : place + ACROSS]
            for place in range(0, len(before), ACROSS)
            for images in (before, after)
        ]
        part = "validation" if split == "val" else "training"
        add(
            "reconstructions",
            torch.cat(rows),
            "Reconstructions",
            f"Images of the {part} part, and under each row what was made of them.",
        )
    between = generator.interpolate(PAIRS, seed=seed, steps=ACROSS).flatten(0, 1)
    add("interpolations", between, "Interpolations", "From one sample to another, row by row.")
    return listed


def _few(rows: Rows, count: int, seed: int, purpose: str) -> Tensor:
    """Stored images, uint8 (N, C, S, S), drawn by the seed; of full rows where there are enough."""
    count = count // ACROSS * ACROSS or count
    places = np.sort(stream(seed, purpose).choice(len(rows.rows), count, replace=False))
    stored = rows.store.gather(rows.rows[places]).astype(np.float32)
    return torch.from_numpy((stored * (SCALE / rows.store.scale)).round().astype(np.uint8))


def save_sheet(path: Path, images: Tensor, *, across: int = ACROSS) -> None:
    """Write images, uint8 (N, C, S, S), as one PNG."""
    from PIL import Image

    with replacing(path) as temporary:
        Image.fromarray(sheet(images.numpy(), across=across)).save(temporary, format="PNG")
