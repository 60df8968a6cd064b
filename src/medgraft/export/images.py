"""Images to check an exported file with: those of the run, or the nearest thing that is left."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medgraft.files import read_json
from medgraft.index import Index
from medgraft.runs import RunFolder
from medgraft.seeds import generator
from medgraft.train.predict import Arrays, prepared


@dataclass(frozen=True)
class Sample:
    """Prepared images and where they come from.

    Attributes:
        images: As the store keeps them.
        count: How many.
        origin: In words.
        real: Whether they are images of the run, whole.
    """

    images: Arrays
    count: int
    origin: str
    real: bool


def sample(run: RunFolder, record: dict[str, Any], *, most: int) -> Sample:
    """Images of the test part, read and prepared as for training.

    Where no file of the run can be read any more, the small pictures that the run saved for its
    report; where there are none of those, or they have another number of axes, random values.

    Args:
        run: A finished run.
        record: What its weights.json says.
        most: How many images, spread evenly over the part.
    """
    files, part = _files_of_run(run)
    chosen = _spread(files, most)
    found = _prepared(chosen, record)
    if found is not None:
        told = f"{len(found)} {part} images"
        if len(found) < len(chosen):
            told += f" ({len(chosen) - len(found)} more could not be read)"
        return Sample(Arrays(found, record["scale"]), len(found), told, real=True)
    found = _prepared(_spread(_saved(run), most), {**record, "steps": _only_size(record)})
    gone = "as no image of the run can be read any more"
    if found is not None:
        told = f"{len(found)} small pictures that the run saved, {gone}"
        return Sample(Arrays(found, record["scale"]), len(found), told, real=False)
    noise = _noise(record, most)
    return Sample(noise, most, f"{most} images of random values, {gone}", real=False)


def _files_of_run(run: RunFolder) -> tuple[list[str], str]:
    """Files of the test part; of another part, if there is no test part."""
    if run.index.is_file():
        index = Index.load(run.index)
        for part in ("test", "val", "train"):
            rows = index.frame.filter(index.frame["split"] == part)
            if len(rows):
                return [index.file(path) for path in rows["path"]], part
    return [], "test"


def _saved(run: RunFolder) -> list[str]:
    listed = run.examples / "examples.json"
    if not listed.is_file():
        return []
    return [str(run.examples / Path(item["file"]).name) for item in read_json(listed)]


def _spread(files: list[str], most: int) -> list[str]:
    """At most so many of them, evenly over the list.

    Examples:
        >>> _spread(["a", "b", "c", "d", "e"], 3)
        ['a', 'c', 'e']
    """
    places = np.linspace(0, len(files) - 1, min(most, len(files))).round().astype(int)
    return [files[place] for place in places]


def _prepared(files: list[str], record: dict[str, Any]) -> np.ndarray | None:
    """Those that can be read, in their order, or None if none can."""
    with prepared(files, record, what="images to check with") as replies:
        read = {reply.place: reply.array for reply, why in replies if why is None}
    arrays = [array for _, array in sorted(read.items()) if array is not None]
    return np.stack(arrays) if arrays else None


def _only_size(record: dict[str, Any]) -> list[str]:
    """Steps for pictures that have been prepared before: their range and shape are right."""
    side = ";".join(map(str, record["input_size"]))
    count = [f"channels:count={record['channels']}"] if record["channels"] in (1, 3) else []
    return [*count, "intensity", f"resize:side={side}"]


def _noise(record: dict[str, Any], count: int) -> Arrays:
    shape = (count, record["channels"], *record["input_size"])
    scale = int(record["scale"])
    kind = np.uint8 if scale < 256 else np.uint16
    values = generator(0, "export").integers(0, scale + 1, shape).astype(kind)
    return Arrays(values, scale)
