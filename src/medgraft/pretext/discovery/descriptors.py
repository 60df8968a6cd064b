"""A descriptor for each scan: the deepest maps of a network, averaged over the whole scan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from medgraft.errors import ArgumentError
from medgraft.index import Index
from medgraft.nets import EncoderDecoder, Network, create
from medgraft.nets.heads import linear_head
from medgraft.nets.weights import open_weights
from medgraft.prepare import default_steps
from medgraft.prepare.store import Store, default_cache
from medgraft.pretext.discovery.autoencoder import check_fits, train_autoencoder
from medgraft.pretext.discovery.settings import Settings
from medgraft.runs import RunFolder
from medgraft.train.batches import Placement
from medgraft.train.data import spatial_axes
from medgraft.train.donor import check_donor
from medgraft.train.features import pooled_features
from medgraft.train.predict import load_predictor
from medgraft.train.recipe import Recipe
from medgraft.train.supervised import Normalisation, Predictor

OWN = "autoencoder"
SIDES = {2: 64, 3: 32}
BACKBONES = {2: "unet2d", 3: "unet3d"}


@dataclass(frozen=True)
class Described:
    """Descriptors and where they come from.

    Attributes:
        values: float32, shape (N, D).
        record: What to write down of the network.
        notes: Sentences for the record.
        network: The auto-encoder, if one was trained.
    """

    values: np.ndarray
    record: dict[str, Any]
    notes: tuple[str, ...] = ()
    network: EncoderDecoder | None = None
    history: Sequence[Any] = field(default=())


def check_source(settings: Settings, index: Index, dims: int) -> None:
    """Find what is wrong with the network now, before scans are prepared.

    Raises:
        UnknownNameError, WeightsError, ArgumentError: If there is no such network or weights.
        LeakageError: If the weights have learnt from test images of this index.
    """
    side = settings.side or SIDES[dims]
    if settings.descriptors == OWN:
        check_fits(settings.backbone or BACKBONES[dims], (side,) * dims)
        return
    run = RunFolder(Path(settings.descriptors))
    check_donor(run, index)
    if run.record.is_file():
        load_predictor(run, "cpu")
        return
    if settings.backbone is None:
        raise ArgumentError(
            f"--backbone must say what the weights '{settings.descriptors}' are for. See"
            " `medgraft list backbones`."
        )
    open_weights(settings.descriptors, backbone=settings.backbone)
    check_fits(settings.backbone, (side,) * dims)


def describe(
    index: Index, settings: Settings, training: np.ndarray, placement: Placement
) -> Described:
    """Descriptors of all scans of an index.

    Args:
        index: One row per scan.
        settings: Which network.
        training: Which scans an auto-encoder may learn from, bool (N,).
        placement: Where to compute.

    Raises:
        ArgumentError: If the network does not fit the scans.
    """
    if settings.descriptors == OWN:
        return _own(index, settings, training, placement)
    run = RunFolder(Path(settings.descriptors))
    if run.record.is_file():
        predictor, record = load_predictor(run, str(placement.device))
        store = _open(index, record["steps"])
        about = {"source": settings.descriptors, "backbone": record["backbone"]}
        about["after"] = record["after"]
    else:
        store = _open(index, _small_steps(index, settings))
        predictor = _loaded(settings, store.shape[0], placement)
        about = {"source": settings.descriptors, "backbone": settings.backbone}
    check_fits(str(about["backbone"]), store.shape[1:], after=about.get("after"))
    return Described(_deepest(predictor, store), {**about, "shape": list(store.shape[1:])})


def _own(index: Index, settings: Settings, training: np.ndarray, placement: Placement) -> Described:
    store = _open(index, _small_steps(index, settings))
    backbone = settings.backbone or BACKBONES[len(store.shape) - 1]
    recipe = Recipe(
        backbone=backbone,
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        rate=settings.rate,
        optimiser="adam",
        weight_decay=0.0,
        schedule="cosine",
        patience=None,
        seed=settings.seed,
    )
    rows = store.rows[training]
    trained = train_autoencoder(
        store,
        rows,
        store.rows[~training],
        backbone=backbone,
        recipe=recipe,
        placement=placement,
    )
    network = trained.network
    body = Network(network.backbone, linear_head(network.backbone.out_channels, 1))
    channels = store.shape[0]
    plain = Normalisation((0.0,) * channels, (1.0,) * channels, "none: images in [0, 1]")
    notes = []
    if trained.error is not None and trained.error >= trained.constant:
        notes.append(
            "The auto-encoder restores scans no better than their mean would: its descriptors may"
            " say little. Train it longer, with more --epochs."
        )
    record = {
        "source": OWN,
        "backbone": backbone,
        "shape": list(store.shape[1:]),
        "epochs": len(trained.history),
        "error": trained.error,
        "error_of_mean": None if trained.error is None else trained.constant,
    }
    values = _deepest(Predictor(body.eval(), "exclusive", plain, placement), store)
    return Described(values, record, tuple(notes), network, trained.history)


def _deepest(predictor: Predictor, store: Store) -> np.ndarray:
    backbone = predictor.network.backbone
    placed = [name for name in backbone.names if backbone.strides[name] is not None]
    last = (placed or backbone.names)[-1]
    return pooled_features(predictor, store, store.rows, [last])[last]


def _loaded(settings: Settings, channels: int, placement: Placement) -> Predictor:
    made = create(
        str(settings.backbone), in_channels=channels, classes=1, weights=settings.descriptors
    )
    mean, std = (0.5,) * channels, (0.5,) * channels
    origin = "the middle of [0, 1]: the weights name no statistics"
    if made.weights is not None and made.weights.mean and made.weights.std:
        mean = (float(np.mean(made.weights.mean)),) * channels
        std = (float(np.mean(made.weights.std)),) * channels
        if len(made.weights.mean) == channels:
            mean, std = made.weights.mean, made.weights.std
        origin = f"the weights ({made.weights.source})"
    network = made.network.to(placement.device).eval()
    return Predictor(network, "exclusive", Normalisation(mean, std, origin), placement)


def _small_steps(index: Index, settings: Settings) -> list[str]:
    """Whole scans at one small side, as the paper resizes them; proportions are not kept."""
    side = settings.side or SIDES[spatial_axes(index)]
    if settings.steps is not None:
        return [*settings.steps, f"resize:side={side}"]
    return [s for s in default_steps(side, settings.channels, settings.window) if s != "pad_square"]


def _open(index: Index, steps: Sequence[str]) -> Store:
    store = Store.open(index, steps, cache=default_cache())
    if (store.rows < 0).any():
        lost = store.rejects.row(0, named=True)
        raise ArgumentError(
            "every scan that has crops must have a descriptor, but"
            f" {int((store.rows < 0).sum())} cannot be prepared for it; '{lost['path']}':"
            f" {lost['reason']}. {lost['remedy']}"
        )
    return store
