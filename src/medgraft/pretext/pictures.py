"""Small pictures of what a network saw and what it made of it, for the report."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from medgraft.files import write_json
from medgraft.pretext.objective import Learner, patterns_of
from medgraft.seeds import derive, generator
from medgraft.train.examples import write_picture
from medgraft.train.supervised import Rows

FEW = 12
SCALE = 255


def write_pictures(folder: Path, learner: Learner, rows: Rows, *, seed: int, split: str) -> None:
    """Write a few images as they were, as the network saw them and as it restored them.

    Beside the PNG files lies pretext.json, a list of {image, input, split}, with {restored, error}
    where something is restored (filled, where its hidden parts alone are), {actual, answered} where
    something is named, and {second, similarity, found} where two views of an image are sought among
    those of the others. The images are drawn by the seed.

    Args:
        folder: Where to.
        learner: A trained network; it is put in evaluation mode.
        rows: Images to draw from.
        seed: Of the run.
        split: Which part they belong to.
    """
    count = min(FEW, len(rows.rows))
    places = np.sort(generator(seed, "pictures").choice(len(rows.rows), count, replace=False))
    learner.network.eval()
    with torch.inference_mode():
        images = learner.placement.images(rows.store.gather(rows.rows[places]), rows.store.scale)
        example = learner.example(images, seed=derive(seed, "pretext", "held out"), samples=places)
        answer = learner.answer(example.inputs)
        patterns = patterns_of(torch.from_numpy(rows.targets[places]).to(images.device))
        pictures = learner.task.pictures(images, example, answer, patterns)
    folder.mkdir(parents=True, exist_ok=True)
    listed = []
    for number, picture in enumerate(pictures):
        files = {name: f"{number:03d}-{name}.png" for name in picture.images}
        for name, image in picture.images.items():
            write_picture(folder / files[name], _whole(image), SCALE)
        listed.append({"split": split, **picture.facts, **files})
    write_json(folder / "pretext.json", listed)


def _whole(image: Tensor) -> np.ndarray:
    """Floats in [0, 1] as whole numbers from 0 to 255."""
    return np.asarray((image.float().clamp(0, 1) * SCALE).round().byte().cpu().numpy())
