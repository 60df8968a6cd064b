"""How long a VAE at 64 pixels takes to its plateau, and what memory it takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch

from bench import timing
from bench.data import DATA
from bench.timing import Table
from medgraft.generate.generators import find_model
from medgraft.generate.job import completed, make_batches, make_objective, place
from medgraft.generate.material import load_material
from medgraft.generate.recipe import Generating
from medgraft.index.build import build
from medgraft.index.layouts import Asked
from medgraft.index.split import split
from medgraft.prepare.store import default_cache
from medgraft.train.hardware import Compute
from medgraft.train.loop import Loop, Row
from medgraft.train.processes import Processes

SETS = {"cxr-kermany": "group", "histo-idc": "patient"}
WAY = ("bfloat16", "channels_last")
NEAR = 1.01  # the plateau: a validation loss no more than 1 % above the best of the run
MEASURED = "--one"


@dataclass(frozen=True)
class Measured:
    """One training, alone in its process.

    Attributes:
        images: Learnt from.
        epochs: In all.
        plateau: Epochs to the plateau.
        seconds: To the plateau, on the clock of the benchmark.
        whole: To the end.
        gib: The most memory that the process held.
    """

    images: int
    epochs: int
    plateau: int
    seconds: float
    whole: float
    gib: float


def measure() -> Table:
    """Train the VAE with its defaults, each time in a process of its own."""
    rows = []
    for name in SETS:
        found = _apart(name, *WAY)
        rows.append(
            (
                name,
                f"{found.images:,}",
                f"{found.plateau} of {found.epochs}",
                timing.seconds(found.seconds),
                timing.seconds(found.whole),
                f"{found.gib:.2f} GiB",
            )
        )
    return Table(
        title="A VAE to its plateau",
        text=(
            f"`medgraft generate train --model vae --size 64` with its defaults, in {' '.join(WAY)}, images"
            " prepared beforehand. The plateau is the first epoch whose validation loss is within 1 % of the best"
            " of the run. The goal was 5 minutes on two cores and 4 GiB for 4,000 images."
        ),
        header=(
            "set",
            "images",
            "epochs to it",
            "time to it",
            "time in all",
            "memory",
        ),
        rows=tuple(rows),
        packages=("torch",),
    )


def _apart(name: str, precision: str, layout: str) -> Measured:
    words = [sys.executable, "-m", "bench.generate", MEASURED, name, precision, layout]
    environment = {**os.environ, "BENCH_CLOCK": timing.CLOCK.name}
    said = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return Measured(**json.loads(said.stdout.splitlines()[-1]))


def _one(name: str, precision: str, layout: str) -> Measured:
    """One training in this process."""
    import resource

    timing.CLOCK = timing.Clock(os.environ.get("BENCH_CLOCK", "wall"))
    if timing.CLOCK.name == "cpu":
        torch.set_num_threads(1)
    asked = Asked(table="labels.csv", path="file", label=("label",), patient=SETS[name])
    recipe = completed(Generating(model="vae", size=64, memory_format=layout, precision=precision))
    device = Compute(torch.device("cpu"), precision, layout, "asked for")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index.parquet"
        split(build(DATA / name, layout="csv", asked=asked, decode=False).index).save(path)
        material = load_material(path, recipe, default_cache())
    model = find_model(recipe.model)
    torch.manual_seed(0)
    networks = place(model.networks(material.shape), device)
    ends: list[float] = []
    loop = Loop(
        make_objective(recipe, model, networks, material, device, Processes()),
        make_batches(recipe, material, device, Processes()),
        recipe,
        autocast=device.autocast,
        on_epoch=lambda _: ends.append(timing.CLOCK()),
    )
    began = timing.CLOCK()
    plateau = _plateau(loop.run().history)
    return Measured(
        images=len(material.training.rows),
        epochs=len(ends),
        plateau=plateau,
        seconds=ends[plateau - 1] - began,
        whole=ends[-1] - began,
        gib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    )


def _plateau(history: list[Row]) -> int:
    losses = [row["loss_val"] for row in history]
    return next(epoch for epoch, loss in enumerate(losses, 1) if loss <= NEAR * min(losses))


if __name__ == "__main__" and sys.argv[1:2] == [MEASURED]:
    print(json.dumps(vars(_one(*sys.argv[2:]))))
