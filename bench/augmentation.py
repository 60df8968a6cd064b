"""Augmentation against torchvision v2 and kornia: the same operations, drawn per sample."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from bench.timing import Table, Timing, in_turn, milliseconds, ratio
from medgraft.augment import Augmenter

SPECS = (
    "flip:p=0.5",
    "rotate:degrees=10,p=1",
    "zoom:low=1,high=1.1,p=1",
    "translate:fraction=0.05,p=1",
    "brightness:low=0.4,high=0.6,p=1",
    "contrast:low=0.8,high=1.25,p=1",
)
GEOMETRY = SPECS[:4]
TEXT = (
    "Flip (p 0.5), rotation ±10°, zoom 1-1.1, translation 5 %, brightness and contrast on batches of"
    " floats in memory, drawing included. torchvision draws once per call, so per-sample"
    " randomness is a loop over the images; its time with one draw for the whole batch stands beside"
    " it, although that is less than was asked for. kornia draws per sample. Both fuse rotation, zoom and"
    " translation themselves (RandomAffine). kornia has no brightness or contrast in 3-D: there, geometry"
    " alone is compared; torchvision has none of it. A result of 64 x 3 x 224 x 224 is 38 MB, which malloc"
    " takes from the system afresh every time: on a machine with slow page faults that is most of the"
    " time of both sides."
)


def measure() -> Table:
    """Time all sizes."""
    torch.manual_seed(0)
    rows = []
    for title, images, repeats in (
        ("64 x 1 x 64 x 64", torch.rand(64, 1, 64, 64), 41),
        ("32 x 3 x 224 x 224", torch.rand(32, 3, 224, 224), 11),
        ("64 x 3 x 224 x 224", torch.rand(64, 3, 224, 224), 9),
        ("8 x 1 x 48 x 48 x 48", torch.rand(8, 1, 48, 48, 48), 11),
    ):
        with torch.inference_mode():
            rivals = flat(images) if images.ndim == 4 else deep(images)
            rows += table_rows(title, in_turn(rivals, repeats=repeats))
    return Table(
        title="Augmentation",
        text=TEXT,
        header=("batch", "rival", "medgraft", "rival takes", "medgraft is faster by", "repeats"),
        rows=tuple(rows),
        packages=("torch", "torchvision", "kornia"),
    )


def table_rows(title: str, timing: Timing) -> list[tuple[str, ...]]:
    """A row per rival."""
    own = milliseconds(timing.median("medgraft"))
    return [
        (
            title,
            name,
            own,
            milliseconds(timing.median(name)),
            ratio(timing.times_faster("medgraft", than=name)),
            str(timing.repeats),
        )
        for name in timing.seconds
        if name != "medgraft"
    ]


def medgraft(images: Tensor, specs: tuple[str, ...]) -> Callable[[], Tensor]:
    """Draw and apply, with another seed every time."""
    augmenter = Augmenter(specs, images.ndim - 2)
    step = iter(range(10**9))
    return lambda: augmenter.apply(
        images, augmenter.draw(len(images), images.shape[2:], seed=next(step))
    )


def flat(images: Tensor) -> dict[str, Callable[[], object]]:
    """The rivals in 2-D."""
    from kornia import augmentation as kornia
    from torchvision.transforms import InterpolationMode, v2

    both = v2.Compose(
        [
            v2.RandomHorizontalFlip(0.5),
            v2.RandomAffine(10, (0.05, 0.05), (1, 1.1), interpolation=InterpolationMode.BILINEAR),
            v2.ColorJitter(brightness=0.2, contrast=(0.8, 1.25)),
        ]
    )
    chain = kornia.AugmentationSequential(
        kornia.RandomHorizontalFlip(p=0.5),
        kornia.RandomAffine(10, (0.05, 0.05), (1, 1.1), p=1, padding_mode="reflection"),
        kornia.RandomBrightness((0.8, 1.2), p=1),
        kornia.RandomContrast((0.8, 1.25), p=1),
        data_keys=["input"],
    )
    return {
        "medgraft": medgraft(images, SPECS),
        "torchvision v2, image by image": lambda: torch.stack([both(image) for image in images]),
        "torchvision v2, one draw per batch": lambda: both(images),
        "kornia": lambda: chain(images),
    }


def deep(images: Tensor) -> dict[str, Callable[[], object]]:
    """The rivals in 3-D: geometry alone."""
    from kornia import augmentation as kornia

    chain = kornia.AugmentationSequential(
        kornia.RandomHorizontalFlip3D(p=0.5),
        kornia.RandomAffine3D((10, 0, 0), (0.05, 0.05, 0.05), (1, 1.1), p=1),
        data_keys=["input"],
    )
    return {
        "medgraft": medgraft(images, GEOMETRY),
        "kornia": lambda: chain(images),
    }
