"""What a simulated round costs beyond looking at the pool, training and answering."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from statistics import median

import polars as pl

from bench import timing
from bench.data import films, index_of
from bench.timing import Table
from medgraft.active.settings import Settings
from medgraft.active.simulate import simulate
from medgraft.index import Index
from medgraft.train.recipe import Recipe

FILMS, VIEWS, BATCH = 500, 4, 20
WAYS = {  # what is tuned: (way to go on, what chooses, rounds)
    "linear:c=0.001": ("AFT", ("aift", "entropy", "core_set"), 8),
    "head": ("ACFT(HQ)", ("aift", "entropy", "core_set"), 8),
    "full": ("ACFT(HQ)", ("aift",), 3),
}
WORK = ("look", "train", "answer")


def measure() -> Table:
    """Play a few rounds in each way, and take its own record of seconds apart."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        index = _index(Path(folder) / "films.parquet")
        for tune, (strategy, chosen, rounds) in WAYS.items():
            out = Path(folder) / tune.partition(":")[0]
            _play(index, out, tune, strategy, chosen, rounds)
            rows += [_row(tune, strategy, path) for path in sorted((out / "runs").iterdir())]
    return Table(
        title="Rounds of a simulation",
        text=(
            f"{FILMS:,} chest films at 64 pixels, ResNet-18, 70 % of them a pool, {VIEWS} views, batches of"
            f" {BATCH}."
            " Looking at the pool, training and answering are forward and backward passes; the rest is"
            " choosing, counting and writing the checkpoint. Medians over rounds, wall time."
        ),
        header=("tuned", "arm", "round", "passes and training", "the rest", "share of the rest"),
        rows=tuple(rows),
        packages=("torch", "numpy", "scikit-learn"),
    )


def _index(path: Path) -> Path:
    files = films(FILMS)
    index = index_of(files)
    parts = ["train"] * 7 + ["val"] + ["test"] * 2
    columns = {
        "label": [name for _, name in files],
        "split": [parts[n % 10] for n in range(len(files))],
    }
    frame = index.frame.with_columns(pl.Series(name, values) for name, values in columns.items())
    frame = frame.unique("image_id", maintain_order=True)  # copies would lie in two parts
    Index(frame=frame, root=index.root, labels=("label",), patients_known=False).save(path)
    return path


def _play(
    index: Path, out: Path, tune: str, strategy: str, chosen: tuple[str, ...], rounds: int
) -> None:
    recipe = Recipe(
        strategy=tune, size=64, epochs=5, precision="float32", memory_format="contiguous"
    )
    asked = Settings(
        acquisitions=chosen,
        strategies=(strategy,),
        start=BATCH,
        batch=BATCH,
        rounds=rounds,
        seeds=1,
        views=VIEWS,
        least_steps=40,
    )
    simulate(index, out, recipe, asked, command=[])


def _row(tune: str, strategy: str, path: Path) -> tuple[str, ...]:
    rounds = json.loads((path / "0" / "rounds.json").read_text())[1:]
    whole = median(row["seconds"]["whole"] for row in rounds)
    rest = median(
        row["seconds"]["whole"] - sum(row["seconds"].get(name, 0.0) for name in WORK)
        for row in rounds
    )
    return (
        f"{tune}, {strategy}",
        path.name.partition("-")[0],
        timing.seconds(whole),
        timing.seconds(whole - rest),
        timing.milliseconds(rest),
        f"{100 * rest / whole:.1f} %",
    )
