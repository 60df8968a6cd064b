"""Images that pass a backbone on the nodes of a cluster: places go there, averaged maps come back.

A backbone goes there as a file of weights and a few words, the pool as a table of its rows; the
nodes read both, and the prepared images, from storage that they share with us.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from safetensors.torch import load_file, save_file
from torch import nn

from medgraft.active.evidence import Integers
from medgraft.active.trunk import Passing, fingerprint
from medgraft.augment import Augmenter
from medgraft.cluster import Crew
from medgraft.errors import OutputError, StoreError, WorkerError
from medgraft.files import read_json, write_json
from medgraft.index import Index
from medgraft.nets import create
from medgraft.nets.heads import GlobalAverage, GlobalMaxAndAverage
from medgraft.nets.network import Network
from medgraft.prepare.store import Store
from medgraft.train.batches import Placement
from medgraft.train.hardware import find_device
from medgraft.train.supervised import Normalisation, Predictor
from medgraft.worker import Work

ROWS, TOLD, WEIGHTS = "rows.parquet", "passing.json", "backbone.safetensors"
POOLS: dict[str, type[nn.Module]] = {
    one.__name__: one for one in (GlobalAverage, GlobalMaxAndAverage)
}


@dataclass(frozen=True)
class OnNodes:
    """Images pass on a cluster, batch by batch as they would pass here.

    What comes back is what one process computes, to the last bit on processors that are alike and
    with as many threads, to float error on others.

    Attributes:
        crew: Processes on its nodes.
        folder: For what they read, on storage that all nodes share; it goes with `close`.
    """

    crew: Crew
    folder: Path

    def maps(
        self, passing: Passing, parts: Sequence[slice], places: Integers, view: int | None
    ) -> Iterator[tuple[slice, np.ndarray]]:
        """See `Elsewhere.maps`."""
        autocast = passing.predictor.autocast
        tasks = _Tasks(parts, places, {"view": view, "autocast": autocast})
        settings = {"folder": str(self._written(passing)), "name": fingerprint(passing)}
        for reply in self.crew.do("medgraft.active.elsewhere:passed", tasks, settings=settings):
            if reply.failure is not None or reply.array is None:
                raise WorkerError(f"images must pass on some node, and do not: {reply.failure}.")
            yield parts[reply.place], np.array(reply.array)  # what Ray gives cannot be written

    def close(self) -> None:
        """Take away what was written."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _written(self, passing: Passing) -> Path:
        """The folder that says what images pass; that of another backbone goes."""
        home = self.folder.absolute()
        here = home / fingerprint(passing)
        if (here / TOLD).is_file():
            return here
        for other in home.glob("*/"):
            shutil.rmtree(other)
        here.mkdir(parents=True)
        index = passing.data.index
        bare = index.frame.drop(index.labels)
        replace(index, frame=bare, labels=(), root=index.root.absolute()).save(here / ROWS)
        backbone = passing.predictor.network.backbone
        weights = {key: value.contiguous() for key, value in backbone.state_dict().items()}
        save_file(weights, here / WEIGHTS)
        write_json(here / TOLD, _told(passing))  # last: a folder with it is whole
        return here


@contextmanager
def passing_by(crew: Crew | None, folder: Path) -> Iterator[OnNodes | None]:
    """Images pass by a crew in this block; without one, None: they pass in this process.

    Args:
        crew: Processes on the nodes.
        folder: A new folder on storage that all nodes share; it goes when the block is left.
    """
    if crew is None:
        yield None
        return
    nodes = OnNodes(crew, folder)
    try:
        yield nodes
    finally:
        nodes.close()


@dataclass(frozen=True)
class _Tasks(Sequence[Any]):
    """A batch of places for each part, made when it is asked for."""

    parts: Sequence[slice]
    places: Integers
    others: dict[str, Any]

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, number: Any) -> Any:
        if isinstance(number, slice):
            return [self[k] for k in range(*number.indices(len(self)))]
        return {**self.others, "places": self.places[self.parts[number]].tolist()}


def _told(passing: Passing) -> dict[str, Any]:
    predictor, store = passing.predictor, passing.data.store
    backbone, normalise = predictor.network.backbone, predictor.normalise
    return {
        "backbone": backbone.name,
        "options": backbone.options,
        "after": backbone.names[-1],
        "in_channels": backbone.in_channels,
        "pool": type(predictor.network.head[0]).__name__,
        "mean": list(normalise.mean),
        "std": list(normalise.std),
        "origin": normalise.origin,
        "channels_last": predictor.placement.channels_last,
        "steps": list(store.steps),
        "bits": 8 if store.scale == 255 else 16,
        "augment": None if passing.augmenter is None else list(passing.augmenter.specs),
        "seed": passing.seed,
    }


# --- on a node -------------------------------------------------------------------------------


@contextmanager
def passed(folder: str, name: str) -> Iterator[Work]:
    """What a node does with places: their averaged maps.

    Args:
        folder: Which `OnNodes` wrote.
        name: Fingerprint of what passes there.

    Raises:
        OutputError: If the node does not see the folder.
        StoreError: If it prepares images in another way, or cannot read all of them.
    """
    passing = _read(Path(folder))
    if fingerprint(passing) != name:
        raise StoreError(
            f"a node must see the same images and weights as the call, and what it reads in"
            f" '{folder}' is not what was written there. Is that storage shared?"
        )

    def work(task: dict[str, Any]) -> tuple[None, np.ndarray]:
        predictor = replace(passing.predictor, autocast=task["autocast"])
        places = np.array(task["places"], dtype=np.int64)
        maps = replace(passing, predictor=predictor).batch(places, task["view"])
        return None, maps.cpu().numpy()

    yield work


@dataclass(frozen=True)
class _Images:
    index: Index
    store: Store
    stored: Integers


def _read(folder: Path) -> Passing:
    if not (folder / TOLD).is_file():
        raise OutputError(
            f"the folder of the call must be on storage that all nodes share, and a node does not"
            f" see '{folder}'. Mount it there by the same path."
        )
    told = read_json(folder / TOLD)
    images = _opened(folder / ROWS, tuple(told["steps"]), told["bits"])
    made = create(
        told["backbone"],
        in_channels=told["in_channels"],
        classes=1,
        after=told["after"],
        options=told["options"],
    )
    made.network.backbone.load_state_dict(load_file(folder / WEIGHTS))
    network = Network(made.network.backbone, nn.Sequential(POOLS[told["pool"]]()))
    network.freeze_through(network.backbone.names[-1])
    device = find_device("auto")
    normalise = Normalisation(tuple(told["mean"]), tuple(told["std"]), told["origin"])
    placement = Placement(device, channels_last=told["channels_last"])
    predictor = Predictor(network.to(device).eval(), "independent", normalise, placement)
    augment, dims = told["augment"], network.backbone.dims
    augmenter = None if augment is None else Augmenter(augment, dims=dims)
    return Passing(predictor, images, augmenter, told["seed"])


def _opened(rows: Path, steps: tuple[str, ...], bits: Literal[8, 16]) -> _Images:
    index = Index.load(rows)
    # mapped and not read: the processes of a node share its memory
    store = Store.open(index, steps, bits=bits, workers=0, memory_bytes=0)
    if (store.rows < 0).any():
        raise StoreError(
            f"a node must be able to read all images that the call could, and not {store.rejects['path'][0]!r}"
            f" ({store.rejects['reason'][0]}). Mount the images there by the same path."
        )
    return _Images(index, store, store.rows)
