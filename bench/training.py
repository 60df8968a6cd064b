"""Training throughput against a bare PyTorch loop on tensors in memory."""

from __future__ import annotations

import numpy as np
import torch

from bench.learner import BATCH, WAYS, InMemory, bare, medgraft
from bench.timing import Table, in_turn, ratio

COUNT, SIDE = 512, 64


def measure() -> Table:
    """Time an epoch each, in both precisions and layouts."""
    rng = np.random.default_rng(0)
    store = InMemory(rng.integers(0, 256, (COUNT, 1, SIDE, SIDE), dtype=np.uint8))
    labels, rows = rng.integers(0, 2, COUNT), np.arange(COUNT)
    lines = []
    for way in WAYS:
        images = torch.from_numpy(store.array).float() / 255
        rivals = {
            "bare": bare(images, labels, way),
            "medgraft": medgraft(store, rows, labels, way),
            "augmented": medgraft(store, rows, labels, way, augment=("films",)),
        }
        timing = in_turn(rivals, repeats=5)
        per_second = {name: COUNT / timing.median(name) for name in rivals}
        for name, title in (("medgraft", "none"), ("augmented", "films (the bare loop has none)")):
            lines.append(
                (
                    " ".join(way),
                    title,
                    f"{per_second[name]:.0f}",
                    f"{per_second['bare']:.0f}",
                    ratio(per_second[name] / per_second["bare"]),
                    str(timing.repeats),
                )
            )
    return Table(
        title="Training against a bare PyTorch loop",
        text=(
            f"ResNet-18, {COUNT:,} grey images of {SIDE} x {SIDE}, batches of {BATCH}, AdamW, gradients clipped."
            " The bare loop takes normalised floats from memory. medgraft gathers stored"
            " integers, converts, normalises, follows a schedule, checks and records its loss. Images"
            " per second of one epoch."
        ),
        header=("precision", "augmentation", "medgraft", "bare loop", "ratio", "repeats"),
        rows=tuple(lines),
        packages=("torch", "timm"),
    )
