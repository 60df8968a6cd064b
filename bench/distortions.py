"""Distortions against the obvious loop over windows, and against MONAI's coarse operations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import numpy as np
import torch
from tests.slow_twins import genesis as slow
from torch import Tensor

from bench.timing import Table, Timing, in_turn, milliseconds, ratio
from medgraft.pretext.distorter import Distorter, Stage
from medgraft.pretext.genesis import models_genesis

CUBE, FILM = (64, 64, 32), (224, 224)
AGAIN = 16  # distortions per repeat: half of them shuffle, so one alone says little
TEXT = (
    "The whole Models Genesis distortion, drawing included, on one thread; mean of 16 images (128 in the batch)"
    " per repeat, as half of them draw no shuffling. The slow twin is the table of the method as a loop over windows"
    " in numpy (`tests/slow_twins/genesis.py`). As published: 10,000 windows that read the original. Corrected:"
    " windows in sequence, 10,000 in a volume, 1,000 in a flat image. MONAI: `RandCoarseShuffle` permutes the"
    " voxels of 10,000 windows of one size (half of the largest that ours draw) with the"
    " same shuffling asked of both, and `RandCoarseDropout` fills five windows."
)


def measure() -> Table:
    """Time all of them."""
    torch.set_num_threads(1)
    rows = [row for shape in (CUBE, FILM) for row in whole(shape)]
    rows += batch()
    with torch.inference_mode():
        rows += [row for shape in (CUBE, FILM) for row in coarse(shape)]
    return Table(
        title="Distortions for pretraining",
        text=TEXT,
        header=(
            "what",
            "image",
            "rival",
            "medgraft",
            "rival takes",
            "medgraft is faster by",
            "repeats",
        ),
        rows=tuple(rows),
        packages=("torch", "numpy", "monai"),
    )


def row(what: str, image: str, rival: str, timing: Timing, times: int) -> tuple[str, ...]:
    """One line of the table; seconds are of `times` images."""
    return (
        what,
        image,
        rival,
        milliseconds(timing.median("medgraft") / times),
        milliseconds(timing.median(rival) / times),
        ratio(timing.times_faster("medgraft", than=rival)),
        str(timing.repeats),
    )


def whole(shape: tuple[int, ...]) -> Iterator[tuple[str, ...]]:
    """Models Genesis, one image at a time."""
    image, size = torch.rand(1, 1, *shape), " x ".join(map(str, shape))
    rng = np.random.default_rng(0)
    for published, windows in ((True, 10_000), (False, 10_000 if len(shape) == 3 else 1000)):
        fast = distort(models_genesis(len(shape), as_published=published), image)
        array = image[0].numpy()
        timing = in_turn(
            {
                "medgraft": lambda fast=fast: [fast() for _ in range(AGAIN)],
                "slow twin": lambda array=array, published=published, windows=windows: [
                    slow.models_genesis(array, rng, published, windows) for _ in range(AGAIN)
                ],
            },
            repeats=3,
        )
        what = f"Models Genesis, {'as published' if published else 'corrected'}"
        yield row(what, size, "slow twin", timing, AGAIN)


def batch() -> Iterator[tuple[str, ...]]:
    """128 flat images at once, as published."""
    images = torch.rand(128, 1, *FILM)
    rng = np.random.default_rng(0)
    timing = in_turn(
        {
            "medgraft": distort(models_genesis(2, as_published=True), images),
            "slow twin": lambda: [slow.models_genesis(one, rng) for one in images.numpy()],
        },
        repeats=1,
        warm=False,
    )
    yield row("Models Genesis, as published", "batch of 128 x 224 x 224", "slow twin", timing, 128)


def coarse(shape: tuple[int, ...]) -> Iterator[tuple[str, ...]]:
    """One distortion at a time against its like in MONAI."""
    from monai.transforms import RandCoarseDropout, RandCoarseShuffle

    size = " x ".join(map(str, shape))
    image = torch.rand(1, 1, *shape)
    middle = [max(1, side // 20) for side in shape]
    shuffle = RandCoarseShuffle(holes=10_000, spatial_size=middle, prob=1.0)
    low, high = [side // 6 for side in shape], [side // 3 for side in shape]
    paint = RandCoarseDropout(
        holes=5, spatial_size=low, max_spatial_size=high, fill_value=(0, 1), prob=1.0
    )
    for spec, name, rival, times in (
        ("local_shuffle:windows=10000,as_published=true", "RandCoarseShuffle", shuffle, 1),
        ("local_shuffle:windows=10000", "RandCoarseShuffle", shuffle, 1),
        ("inpaint", "RandCoarseDropout", paint, AGAIN),
    ):
        fast = distort(Distorter([Stage((spec,))], len(shape)), image)
        timing = in_turn(
            {
                "medgraft": lambda fast=fast, times=times: [fast() for _ in range(times)],
                name: lambda rival=rival, times=times: [rival(image[0]) for _ in range(times)],
            },
            repeats=3,
        )
        yield row(spec, size, name, timing, times)


def distort(distorter: Distorter, images: Tensor) -> Callable[[], tuple[Tensor, Tensor]]:
    """Draw and apply, with another seed every time."""
    seeds = count()
    return lambda: distorter.apply(
        images, distorter.draw(len(images), images.shape[2:], seed=next(seeds))
    )
