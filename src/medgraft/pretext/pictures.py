"""Small pictures of what a network saw and what it made of it, for the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from medgraft.files import write_json
from medgraft.pretext.objective import Learner, patterns_of, squared_error
from medgraft.seeds import derive, generator
from medgraft.train.examples import write_picture
from medgraft.train.supervised import Rows

FEW = 12
SCALE = 255


def write_pictures(folder: Path, learner: Learner, rows: Rows, *, seed: int, split: str) -> None:
    """Write a few images as they were, as the network saw them and as it restored them.

    Of a classifying task there is nothing restored. Beside the PNG files lies pretext.json, a list
    of {image, input, split}, with {restored, error} where something is restored and {actual,
    answered} where something is named. The images are drawn by the seed.

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
        patterns = patterns_of(torch.from_numpy(rows.targets[places]))
        classes = example.targets if patterns is None else patterns
    folder.mkdir(parents=True, exist_ok=True)
    listed = []
    for number in range(count):
        row: dict[str, Any] = {"split": split}
        drawn = {"image": images[number], "input": example.inputs[number]}
        if answer.restored is not None:
            drawn |= {"image": example.targets[number], "restored": answer.restored[number]}
            error = squared_error(answer.restored, example.targets, example.counted)[number]
            row["error"] = round(float(error), 6)
        if answer.logits is not None:
            row |= {
                "actual": int(classes[number]),
                "answered": int(answer.logits[number].argmax()),
            }
        for name, image in drawn.items():
            file = f"{number:03d}-{name}.png"
            write_picture(folder / file, _whole(image), SCALE)
            row[name] = file
        listed.append(row)
    write_json(folder / "pretext.json", listed)


def _whole(image: Tensor) -> np.ndarray:
    """Floats in [0, 1] as whole numbers from 0 to 255."""
    return np.asarray((image.float().clamp(0, 1) * SCALE).round().byte().cpu().numpy())
