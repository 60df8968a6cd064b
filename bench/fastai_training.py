"""Training throughput against fastai: the same files, network, batch and cores."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bench.data import films, index_of
from bench.learner import BATCH, NORMALISE, WAYS, medgraft, network
from bench.timing import Table, in_turn, ratio
from medgraft.prepare import default_steps
from medgraft.prepare.store import Store

COUNT, SIDE, WORKERS, EPOCHS = 2048, 64, 2, 8
TITLES = {
    "float32": "float32, contiguous, as fastai",
    "bfloat16": "bfloat16, channels last (what medgraft chooses here)",
    "first": "float32, first epoch: with decoding all files into the store",
}
WHOLE = {"float32": "float32", "bfloat16": "bfloat16, channels last"}


def measure() -> Table:
    """Time an epoch each; medgraft also with the first pass that fills its store."""
    files = films(COUNT)
    index, steps = index_of(files), default_steps(SIDE, 1)
    labels = np.array([int(label == "PNEUMONIA") for _, label in files])
    plain, fast = WAYS

    def from_nothing() -> None:
        with tempfile.TemporaryDirectory() as cache:
            store = Store.open(index, steps, cache=cache)
            medgraft(store, store.rows, labels, plain, augment=("films",))()

    with tempfile.TemporaryDirectory() as cache:
        store = Store.open(index, steps, cache=cache)
        rivals = {
            "fastai": fastai(files),
            "float32": medgraft(store, store.rows, labels, plain, augment=("films",)),
            "bfloat16": medgraft(store, store.rows, labels, fast, augment=("films",)),
            "first": from_nothing,
        }
        timing = in_turn(rivals, repeats=3)
    rows = [
        (
            title,
            f"{COUNT / timing.median(name):.0f}",
            f"{COUNT / timing.median('fastai'):.0f}",
            ratio(timing.times_faster(name, than="fastai")),
            str(timing.repeats),
        )
        for name, title in TITLES.items()
    ]
    decoding = timing.median("first") - timing.median("float32")
    theirs = EPOCHS * timing.median("fastai")
    for name in WHOLE:
        ours = decoding + EPOCHS * timing.median(name)
        rows.append(
            (
                f"{WHOLE[name]}: {EPOCHS} epochs with decoding all files once (sum of the medians)",
                f"{EPOCHS * COUNT / ours:.0f}",
                f"{EPOCHS * COUNT / theirs:.0f}",
                ratio(theirs / ours),
                str(timing.repeats),
            )
        )
    return Table(
        title="Training against fastai",
        text=(
            f"One epoch over {COUNT:,} chest films (JPEG, 224 x 224), ResNet-18 (the same module), grey,"
            f" {SIDE} x {SIDE}, batches of {BATCH}, rotation ±10°, zoom, brightness and contrast; fastai with"
            f" {WORKERS} loading processes, float32. Images per second."
        ),
        header=("medgraft", "images/s", "fastai", "medgraft is faster by", "repeats"),
        rows=tuple(rows),
        packages=("torch", "fastai", "timm", "pillow"),
    )


def fastai(files: list[tuple[Path, str]]) -> Callable[[], object]:
    """One epoch of a fastai learner, set up as its documentation does."""
    from fastai.vision import all as fast

    classes = dict(files)
    block = fast.DataBlock(
        blocks=(fast.ImageBlock(fast.PILImageBW), fast.CategoryBlock),
        get_items=lambda _: list(classes),
        get_y=classes.get,
        splitter=fast.IndexSplitter([]),
        item_tfms=fast.Resize(SIDE),
        batch_tfms=[
            *fast.aug_transforms(do_flip=False, max_rotate=10, max_zoom=1.1, max_warp=0),
            fast.Normalize.from_stats(NORMALISE.mean, NORMALISE.std, cuda=False),
        ],
    )
    loaders = block.dataloaders(None, bs=BATCH, num_workers=WORKERS, drop_last=False)
    learner = fast.Learner(
        loaders, network(WAYS[0]), loss_func=fast.CrossEntropyLossFlat(), metrics=[]
    )

    def epoch() -> None:
        with learner.no_bar(), learner.no_logging():
            learner.fit(1, 1e-3)

    return epoch
