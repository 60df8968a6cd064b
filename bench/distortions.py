"""Distortions against the obvious loop over windows, and against MONAI's coarse operations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import numpy as np
import torch
from tests.slow_twins import genesis as slow
from torch import Tensor

from bench.timing import Table, Timing, in_turn, milliseconds, ratio
from medgraft.machine import keep_freed_memory
from medgraft.pretext.distorter import Distorter, Stage
from medgraft.pretext.genesis import models_genesis

CUBE, FILM = (64, 64, 32), (224, 224)
IMAGES = 32  # per repeat: half of them shuffle, so one alone says little
REPEATS = 7
TEXT = (
    "Time per image on one thread, drawing included; each repeat distorts 32 images, one after the other or as one batch."
    " Models Genesis: against the table of the method as a loop over windows in numpy (`tests/slow_twins/genesis.py`),"
    " which takes one image after the other in both cases. As published: 10,000 windows that read the original. Corrected:"
    " windows in sequence, 10,000 in a volume, 1,000 in a flat image; both sides draw as many. MONAI: `RandCoarseShuffle`"
    " permutes the voxels of as many windows of one size (half of the largest that ours draw), and `RandCoarseDropout` fills"
    " five windows; both get one image after the other, as they have no batches. Freed memory is kept, as in pretraining."
)


def measure() -> Table:
    """Time all of them."""
    torch.set_num_threads(1)
    keep_freed_memory()
    rows = [row for shape in (CUBE, FILM) for row in whole(shape)]
    rows += [row for shape in (CUBE, FILM) for row in coarse(shape)]
    return Table(
        title="Distortions for pretraining",
        text=TEXT,
        header=(
            "what",
            "image",
            "rival",
            "rival takes",
            "medgraft, one by one",
            "is faster by",
            "medgraft, 32 at once",
            "is faster by",
            "repeats",
        ),
        rows=tuple(rows),
        packages=("torch", "numpy", "monai"),
    )


def row(what: str, shape: tuple[int, ...], rival: str, timing: Timing) -> tuple[str, ...]:
    """One line of the table; seconds are of `IMAGES` images."""
    return (
        what,
        " x ".join(map(str, shape)),
        rival,
        milliseconds(timing.median(rival) / IMAGES),
        milliseconds(timing.median("alone") / IMAGES),
        ratio(timing.times_faster("alone", than=rival)),
        milliseconds(timing.median("batch") / IMAGES),
        ratio(timing.times_faster("batch", than=rival)),
        str(timing.repeats),
    )


def whole(shape: tuple[int, ...]) -> Iterator[tuple[str, ...]]:
    """Models Genesis."""
    image, rng = np.random.default_rng(0).random((1, *shape), np.float32), np.random.default_rng(0)
    for published, windows in ((True, 10_000), (False, 10_000 if len(shape) == 3 else 1000)):
        timing = in_turn(
            {
                **both(models_genesis(len(shape), as_published=published), shape),
                "slow twin": lambda published=published, windows=windows: [
                    slow.models_genesis(image, rng, published, windows) for _ in range(IMAGES)
                ],
            },
            repeats=REPEATS,
        )
        what = f"Models Genesis, {'as published' if published else 'corrected'}"
        yield row(what, shape, "slow twin", timing)


def coarse(shape: tuple[int, ...]) -> Iterator[tuple[str, ...]]:
    """One distortion at a time against its like in MONAI."""
    from monai.transforms import RandCoarseDropout, RandCoarseShuffle

    image = torch.rand(1, *shape)
    middle = [max(1, side // 20) for side in shape]
    low, high = [side // 6 for side in shape], [side // 3 for side in shape]

    def shuffle(windows: int) -> RandCoarseShuffle:
        return RandCoarseShuffle(holes=windows, spatial_size=middle, prob=1.0)

    paint = RandCoarseDropout(
        holes=5, spatial_size=low, max_spatial_size=high, fill_value=(0, 1), prob=1.0
    )
    default = 10_000 if len(shape) == 3 else 1000
    for spec, rival in (
        ("local_shuffle:as_published=true", shuffle(10_000)),
        ("local_shuffle", shuffle(default)),
        ("inpaint", paint),
    ):
        name = type(rival).__name__
        timing = in_turn(
            {
                **both(Distorter([Stage((spec,))], len(shape)), shape),
                name: lambda rival=rival: [rival(image) for _ in range(IMAGES)],
            },
            repeats=REPEATS,
        )
        yield row(spec, shape, name, timing)


def both(distorter: Distorter, shape: tuple[int, ...]) -> dict[str, Callable[[], object]]:
    """`IMAGES` images one by one, and as a batch; another seed every time."""
    images, seeds = torch.rand(IMAGES, 1, *shape), count()

    def distort(some: Tensor) -> Tensor:
        draw = distorter.draw(len(some), some.shape[2:], seed=next(seeds))
        return distorter.apply(some, draw)[0]

    return {
        "alone": lambda: [distort(one) for one in images.split(1)],
        "batch": lambda: distort(images),
    }
