"""Tuning behind frozen stages against fastai: the same films, network, epochs and rates."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import nn

from bench.data import DATA, index_of
from bench.learner import BATCH, WAYS, Way
from bench.timing import Table, in_turn, ratio, seconds
from medgraft.augment import Augmenter
from medgraft.evaluate import delong
from medgraft.nets import Network, create
from medgraft.prepare import default_steps
from medgraft.prepare.store import Store
from medgraft.train.batches import Batches, Placement
from medgraft.train.loop import Loop
from medgraft.train.prefix import keep_prefix
from medgraft.train.recipe import Recipe
from medgraft.train.supervised import Normalisation, Predictor, Rows, Supervised

SIDE, EPOCHS, VIEWS, RATE, WORKERS = 224, 10, 4, 2e-3, 2
TRAINING, VALIDATION = 256, 256
AUGMENT = ("rotate:degrees=10", "zoom", "brightness", "contrast")
NORMALISE = Normalisation((0.449,), (0.226,), "ImageNet, mean of the colours")
WEIGHTS = DATA / "weights" / "resnet18_to_layer3_imagenet.safetensors"
TASKS = {"head": "layer4", "layer4 and head": "layer3"}  # what is tuned: the last frozen stage


@dataclass
class Films:
    """Chest films of two sets of patients.

    Attributes:
        training: Files with their class.
        validation: Likewise, of other patients.
        patients: Of the validation films.
        scores: What each rival said of the validation films, by rival and task.
    """

    training: list[tuple[Path, str]]
    validation: list[tuple[Path, str]]
    patients: list[str]
    scores: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def truth(self) -> np.ndarray:
        """1 for pneumonia, of the validation films."""
        return _labels(self.validation)


def measure() -> Table:
    """Time ten epochs each, decoding included; one repeat, since each takes minutes."""
    films, lines = _films(), []
    for task, frozen in TASKS.items():
        rivals: dict[str, Callable[[], object]] = {"fastai": _fastai(films, frozen)}
        rivals |= {" ".join(way): _medgraft(films, frozen, way) for way in WAYS}
        timing = in_turn(rivals, repeats=1, warm=False)
        for way in map(" ".join, WAYS):
            both = delong(films.truth, films.scores["fastai"], films.scores[way], films.patients)
            lines.append(
                (
                    task,
                    way,
                    seconds(timing.median(way)),
                    seconds(timing.median("fastai")),
                    ratio(timing.times_faster(way, than="fastai")),
                    f"{both.second:.3f}, {both.first:.3f}",
                    f"{both.difference:+.3f} ({both.low:+.3f} to {both.high:+.3f})",
                )
            )
    return Table(
        title="Tuning behind frozen stages against fastai",
        text=(
            f"{EPOCHS} epochs over {TRAINING} chest films (JPEG, 224 x 224) and validation on {VALIDATION} of other patients"
            f" after each, grey, {SIDE} x {SIDE}, batches of {BATCH}, one cycle up to {RATE}, rotation ±10°, zoom, brightness and contrast. ResNet-18 with fastai's"
            " head; ImageNet weights through layer3, where the file ends, layer4 random: the same tensors for both. medgraft"
            f" keeps the maps of {VIEWS} views, decoding into its store included; fastai with {WORKERS} loading"
            " processes, float32, its default for the batch norms of frozen stages (they learn and move). The difference"
            " of the AUROCs has DeLong's interval, by patient."
        ),
        header=(
            "tuned",
            "medgraft",
            "takes",
            "fastai takes",
            "medgraft is faster by",
            "AUROC, fastai's",
            "difference",
        ),
        rows=tuple(lines),
        packages=("torch", "fastai", "timm", "pillow"),
    )


def _films() -> Films:
    with (DATA / "cxr-kermany" / "labels.csv").open(encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    groups = sorted({row["group"] for row in rows})
    held = set(np.random.default_rng(0).permutation(groups)[: len(groups) // 2].tolist())
    root = DATA / "cxr-kermany"

    def some(count: int, *, validation: bool) -> list[dict[str, str]]:
        found: list[dict[str, str]] = []
        for label in ("NORMAL", "PNEUMONIA"):
            mine = [r for r in rows if r["label"] == label and (r["group"] in held) == validation]
            found += mine[:: len(mine) // (count // 2)][: count // 2]
        return found

    training, validation = some(TRAINING, validation=False), some(VALIDATION, validation=True)
    return Films(
        [(root / row["file"], row["label"]) for row in training],
        [(root / row["file"], row["label"]) for row in validation],
        [row["group"] for row in validation],
    )


def _labels(files: list[tuple[Path, str]]) -> np.ndarray:
    return np.array([int(label == "PNEUMONIA") for _, label in files])


def _network(frozen: str) -> Network:
    torch.manual_seed(0)
    known = create("resnet18", in_channels=1, classes=2, weights=str(WEIGHTS), after="layer3")
    network = create("resnet18", in_channels=1, classes=2, head="concat").network
    network.backbone.stages.load_state_dict(
        known.network.backbone.stages.state_dict(), strict=False
    )
    network.freeze_through(frozen)
    return network


def _medgraft(films: Films, frozen: str, way: Way) -> Callable[[], object]:
    def run() -> None:
        network = _network(frozen)
        last = way[1] == "channels_last"
        if last:
            network = network.to(memory_format=torch.channels_last)
        placement = Placement(torch.device("cpu"), channels_last=last)
        predictor = Predictor(
            network, "exclusive", NORMALISE, placement, autocast=way[0] == "bfloat16"
        )
        with tempfile.TemporaryDirectory() as folder:
            files = films.training + films.validation
            store = Store.open(index_of(files), default_steps(SIDE, 1), cache=f"{folder}/store")
            targets = np.eye(2, dtype=np.float32)[_labels(files)]
            held_out = Rows(store, store.rows[TRAINING:], targets[TRAINING:])
            batches = Batches(
                store,
                store.rows[:TRAINING],
                targets[:TRAINING],
                BATCH,
                0,
                Augmenter(AUGMENT),
                placement,
            )
            objective = Supervised(predictor, weights=torch.ones(2), held_out=held_out)
            kept = keep_prefix(
                predictor,
                batches,
                held_out,
                views=VIEWS,
                epochs=EPOCHS,
                folder=Path(folder) / "maps",
            )
            assert kept is not None
            objective.kept = kept
            batches = Batches(
                store, batches.rows, batches.targets, BATCH, 0, None, placement, views=kept.training
            )
            recipe = Recipe(epochs=EPOCHS, batch_size=BATCH, rate=RATE)
            Loop(objective, batches, recipe, autocast=predictor.autocast).run()
            logits = objective.held_out_logits(held_out)
        films.scores[" ".join(way)] = logits[:, 1] - logits[:, 0]

    return run


def _fastai(films: Films, frozen: str) -> Callable[[], object]:
    from fastai.vision import all as fast

    def cut(network: Network) -> list[list[nn.Parameter]]:
        """Three groups: what is frozen in both tasks, layer4, head."""
        stages = network.backbone.stages
        early = [
            p for name, stage in stages.items() if name != "layer4" for p in stage.parameters()
        ]
        return [early, list(stages["layer4"].parameters()), list(network.head.parameters())]

    def run() -> None:
        classes = dict(films.training + films.validation)
        network = _network(frozen)
        network.freeze_through(None)
        block = fast.DataBlock(
            blocks=(fast.ImageBlock(fast.PILImageBW), fast.CategoryBlock(["NORMAL", "PNEUMONIA"])),
            get_items=lambda _: list(classes),
            get_y=classes.get,
            splitter=fast.IndexSplitter(range(TRAINING, TRAINING + VALIDATION)),
            item_tfms=fast.Resize(SIDE),
            batch_tfms=[
                *fast.aug_transforms(do_flip=False, max_rotate=10, max_zoom=1.1, max_warp=0),
                fast.Normalize.from_stats(NORMALISE.mean, NORMALISE.std, cuda=False),
            ],
        )
        loaders = block.dataloaders(None, bs=BATCH, num_workers=WORKERS, drop_last=False)
        learner = fast.Learner(
            loaders, network, loss_func=fast.CrossEntropyLossFlat(), splitter=cut, metrics=[]
        )
        learner.freeze_to(-1 if frozen == "layer4" else -2)
        with learner.no_bar(), learner.no_logging():
            learner.fit_one_cycle(EPOCHS, RATE)
            said, _ = learner.get_preds(dl=loaders.valid)
        films.scores["fastai"] = said[:, 1].numpy()

    return run
