"""Samples as files that say of themselves what they are, and an index of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from medgraft import __version__
from medgraft.files import new_folder, replacing, sha256
from medgraft.generate.generator import Generator
from medgraft.index import Index
from medgraft.index.generated import GENERATED
from medgraft.index.marks import MARK
from medgraft.progress import track
from medgraft.train.samples import LEARNT_FROM

TABLE = "samples.parquet"
AT_A_TIME = 256
BITS = 8


def write_samples(
    generator: Generator,
    out: Path,
    count: int,
    *,
    seed: int,
    label: str | None = None,
    start: int = 0,
) -> Path:
    """Write samples as PNG, and `samples.parquet`, an index of them.

    Each file says in text chunks that it was generated, and which run, weights (SHA-256), model,
    seed, number and class it has. Each row of the index is marked as generated, has no patient and
    no part of a split, and the label that a model with classes was asked for. `learnt_from.parquet`
    beside it says by image, patient and part what the generator has seen.

    Args:
        generator: What draws them.
        out: A new or empty folder.
        count: How many.
        seed: Of the samples.
        label: The class of all; None draws classes in the shares of the training images.
        start: Number of the first.

    Returns:
        Path of the index.

    Raises:
        ArgumentError: If a number is out of range, or the model knows no such class.
        OutputError: If the folder is in use or cannot be written.
    """
    generator.sample(
        1, seed=seed, labels=label, start=start
    )  # what is wrong, before anything is written
    out = new_folder(out)
    rows = []
    starts = range(start, start + count, AT_A_TIME)
    for first in track(starts, what="drawing", unit="batch"):
        many = min(AT_A_TIME, start + count - first)
        labels = generator.labels(many, seed=seed, start=first)
        named = [label] * many if label is not None else labels
        images = generator.sample(many, seed=seed, labels=named, start=first).numpy()
        rows += [
            _write(
                generator,
                out,
                image,
                seed=seed,
                number=first + place,
                label=None if named is None else named[place],
            )
            for place, image in enumerate(images)
        ]
    kind = generator.record["label"]
    schema = {GENERATED: pl.Boolean}
    index = Index(
        pl.DataFrame(rows, schema_overrides=schema, infer_schema_length=None),
        out,
        labels=() if kind is None else (kind,),
        layout="samples",
        patients_known=False,
    )
    index.save(out / TABLE)
    _write_origin(generator, out / LEARNT_FROM)
    return out / TABLE


def _write_origin(generator: Generator, path: Path) -> None:
    """Whom the generator has seen, so that nobody whom it knows is tested on."""
    with replacing(path) as temporary:
        seen = pl.read_parquet(generator.run.index, columns=["image_id", "patient_id", "split"])
        seen.write_parquet(temporary)


def _write(
    generator: Generator, out: Path, image: np.ndarray, *, seed: int, number: int, label: str | None
) -> dict[str, object]:
    """Write one sample; its row of the index."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    notes, record = PngInfo(), generator.record
    for key, text in provenance(generator, seed=seed, number=number, label=label).items():
        notes.add_text(key, text)
    name = f"{number:06d}.png"
    pixels = image[0] if len(image) == 1 else image.transpose(1, 2, 0)
    with replacing(out / name) as temporary:
        Image.fromarray(pixels).save(temporary, format="PNG", pnginfo=notes)
    row: dict[str, object] = {
        "image_id": sha256(out / name),
        "path": name,
        "shape": list(image.shape),
        "bits": BITS,
        "low": float(image.min()),
        "high": float(image.max()),
        GENERATED: True,
        "generator": record["hash"],
        "sample_seed": seed,
        "sample_number": number,
    }
    if label is not None:
        row[record["label"]] = record["values"][record["classes"].index(label)]
    return row


def provenance(
    generator: Generator, *, seed: int, number: int, label: str | None
) -> dict[str, str]:
    """What the file of a sample says of itself: keyword to text."""
    texts = {
        MARK: "true",
        "medgraft.run": generator.run.path.resolve().name,
        "medgraft.weights": generator.record["hash"],
        "medgraft.model": generator.record["model"],
        "medgraft.seed": str(seed),
        "medgraft.index": str(number),
        "Software": f"medgraft {__version__}",
    }
    return texts if label is None else {**texts, "medgraft.class": label}
