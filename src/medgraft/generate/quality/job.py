"""Judge a generative model: all measures, and its samples beside the nearest training images."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from medgraft.errors import ArgumentError, TableError
from medgraft.files import check_free, new_folder, write_json
from medgraft.generate.generator import Generator, load_generator
from medgraft.generate.pictures import save_sheet
from medgraft.generate.quality.features import Extractor, Seeing
from medgraft.generate.quality.measures import Features, judge
from medgraft.index import Index
from medgraft.phantoms import is_archive
from medgraft.prepare.store import Store, default_cache
from medgraft.progress import bar
from medgraft.runs import RunFolder
from medgraft.seeds import generator as stream
from medgraft.train.predict import Arrays
from medgraft.train.samples import real_images
from medgraft.train.supervised import Rows

SHOWN, ACROSS = 32, 8  # samples of the sheet, and in a row of it
BATCH = 256


@dataclass(frozen=True)
class Asked:
    """How a generator is judged.

    Attributes:
        images: Images of each set, at most.
        split: Part of the index whose images the generator has not learnt from.
        neighbours: Of the measures of the manifold.
        replicates: Bootstrap replicates of each interval.
        seed: Of the samples, of the draw of images and of the replicates.
    """

    images: int = 1000
    split: str = "val"
    neighbours: int = 5
    replicates: int = 200
    seed: int = 0


@dataclass(frozen=True)
class Part:
    """Distinct real images of one part of an index.

    Attributes:
        rows: Where they lie.
        patients: Whose each is, shape (N,); None where patients cannot be told apart.
    """

    rows: Rows
    patients: np.ndarray | None

    def take(self, count: int, seed: int, purpose: str) -> Part:
        """So many of them, drawn by the seed."""
        size = len(self.rows.rows)
        chosen = np.sort(stream(seed, "quality", purpose).choice(size, count, replace=False))
        whose = None if self.patients is None else self.patients[chosen]
        rows = Rows(self.rows.store, self.rows.rows[chosen], self.rows.targets[chosen])
        return Part(rows, whose)


def judge_generator(
    run: RunFolder,
    out: Path,
    seeing: Seeing,
    asked: Asked,
    *,
    index_path: Path | None = None,
    command: list[str],
) -> dict[str, Any]:
    """Judge the samples of a run, and write quality.json and a sheet.

    The first `images` samples of the seed are compared with as many training images, and so are
    real images of a part that the generator has not learnt from. The nearest image of each is looked
    for among all training images.

    Args:
        run: What `medgraft generate train` wrote.
        out: New folder.
        seeing: The network whose features are compared.
        asked: How.
        index_path: Another index whose training and unseen parts are compared with; that of the
            run where None.
        command: How this was called, for the record.

    Returns:
        What quality.json holds.

    Raises:
        TableError: If there is no such run, or a part has too few images.
        OutputError: If `out` is in use.
        ArgumentError, UnknownNameError, WeightsError, TrainingError: If the network does not suit.
    """
    check_free(out)
    generator = load_generator(run, device=seeing.device)
    index = real_images(Index.load(index_path or run.index))
    training, unseen = (_part(index, name, generator) for name in ("train", asked.split))
    size = _size(asked, training, unseen)
    torch.manual_seed(asked.seed)  # for random weights
    extractor = Extractor.of(seeing, training.rows)
    few = training.take(size, asked.seed, "training")
    held_out = unseen.take(size, asked.seed, "unseen")
    samples = draw(generator, size, seed=asked.seed)
    every = extractor.of_images(training.rows.store, training.rows.rows)
    places = np.searchsorted(training.rows.rows, few.rows.rows)
    found = judge(
        Features(every[places], few.patients),
        Features(extractor.of_images(samples, np.arange(size))),
        Features(extractor.of_images(held_out.rows.store, held_out.rows.rows), held_out.patients),
        everything=every,
        k=asked.neighbours,
        replicates=asked.replicates,
        seed=asked.seed,
    )
    folder = new_folder(out)
    nearest = training.rows.rows[found.pop("nearest")[:SHOWN]]
    _write_sheet(folder / "nearest.png", samples, training.rows, nearest)
    written = {
        "model": generator.record["model"],
        "run": str(run.path),
        "command": command,
        "network": {**asdict(seeing), "stage": extractor.stage, "columns": every.shape[1]},
        "images": {"each": size, "training": len(every), "shown": len(nearest)},
        **{key: value for key, value in asdict(asked).items() if key != "images"},
        "unit": "image" if training.patients is None else "patient",
        "synthetic": is_archive(index.root),
        "other_index": None if index_path is None else str(index_path),
        **found,
    }
    write_json(folder / "quality.json", written)
    return written


def draw(generator: Generator, count: int, *, seed: int) -> Arrays:
    """The first samples of a seed, in memory."""
    images = np.empty((count, *generator.record["shape"]), np.uint8)
    shown = bar(total=count, what="draw")
    for start in range(0, count, BATCH):
        many = min(BATCH, count - start)
        images[start : start + many] = generator.sample(many, seed=seed, start=start).numpy()
        shown.update(many)
    shown.close()
    return Arrays(images, 255)


def _part(index: Index, name: str, generator: Generator) -> Part:
    """The distinct images of a part, prepared as the generator's were, in the order of the store."""
    part = index.part(name)
    if len(part) == 0:
        raise TableError(
            f"the index must have images in its {name} part, and has none. Judge with another"
            " --split, or with --index."
        )
    store = Store.open(part, generator.record["steps"], cache=default_cache())
    usable = np.flatnonzero(store.rows >= 0)
    rows, first = np.unique(store.rows[usable], return_index=True)
    frame = part.frame[usable[first]]
    patients = None
    if index.patients_known:
        patients = frame["patient_id"].fill_null(frame["image_id"]).to_numpy()
    return Part(Rows(store, rows, np.zeros((len(rows), 0), np.float32)), patients)


def _size(asked: Asked, training: Part, unseen: Part) -> int:
    """Images of each set: all are as large as the smallest."""
    found = min(asked.images, len(training.rows.rows), len(unseen.rows.rows))
    if found <= asked.neighbours:
        raise ArgumentError(
            f"each set must have more images than --neighbours {asked.neighbours}, but there are"
            f" {len(training.rows.rows)} to learn from, {len(unseen.rows.rows)} in {asked.split}, and"
            f" --images {asked.images}. Pass fewer --neighbours, or another --split."
        )
    return found


def _write_sheet(path: Path, samples: Arrays, training: Rows, nearest: np.ndarray) -> None:
    """Rows of samples, and under each row the training image nearest to each."""
    real = training.store.gather(nearest).astype(np.float32) * (255 / training.store.scale)
    real = real.round().astype(np.uint8)
    pairs = []
    for start in range(0, len(nearest), ACROSS):
        part = slice(start, start + ACROSS)
        pairs += [samples.array[: len(nearest)][part], real[part]]
    full = len(nearest) // ACROSS * ACROSS or len(nearest)
    images = np.concatenate(pairs)[: 2 * full]
    save_sheet(path, torch.from_numpy(images), across=min(ACROSS, len(nearest)))
