"""Preparing mammograms with their preset, against the usual steps."""

from __future__ import annotations

from bench import timing
from bench.data import DATA
from bench.timing import Table, in_turn, milliseconds
from medgraft.machine import cores
from medgraft.pool import spread
from medgraft.prepare import default_steps
from medgraft.prepare.presets import preset_steps

SIDE, ROUNDS = 512, 2


def measure() -> Table:
    """Time all films of 1024 x 1024 pixels, read from their files, on all cores."""
    films = sorted((DATA / "mammo-mias" / "full1024").glob("*.png"))
    if not films:
        raise FileNotFoundError(f"{DATA} holds no films; set MEDGRAFT_DATA")
    tasks = [str(film) for film in films] * ROUNDS
    presets = {
        "mammography": "the preset",
        "mammography:pectoral=erase": "and the muscle erased",
        "mammography:contrast=clahe": "and contrast evened out",
    }
    rivals = {
        "usual": lambda: _prepare(tasks, default_steps(SIDE, 1)),
        **{
            spec: lambda spec=spec: _prepare(tasks, preset_steps(spec, SIDE, 1)) for spec in presets
        },
    }
    found = in_turn(rivals, repeats=3)
    # Processor time adds up over the cores, which work side by side; wall time does not.
    side_by_side = cores() if timing.CLOCK.name == "cpu" else 1
    titles = {"usual": "the usual steps: range, square, size", **presets}
    return Table(
        title="Preparing mammograms",
        text=(
            f"{len(tasks)} times one of {len(films)} films (PNG, 1024 x 1024, 8 bits), read, prepared to"
            f" {SIDE} x {SIDE} and handed back, by {cores()} processes, which are started within the time."
        ),
        header=("steps", f"films per second, {cores()} cores", "time of a film", "repeats"),
        rows=tuple(
            (
                title,
                f"{side_by_side * len(tasks) / found.median(name):.1f}",
                milliseconds(found.median(name) / len(tasks)),
                str(found.repeats),
            )
            for name, title in titles.items()
        ),
        packages=("numpy", "scipy", "pillow"),
    )


def _prepare(tasks: list[str], specs: list[str]) -> None:
    settings = {"specs": specs, "bits": 8}
    with spread(
        "medgraft.prepare.answers:preparing",
        tasks,
        what="films",
        settings=settings,
        workers=cores(),
    ) as replies:
        for reply in replies:
            if reply.array is None:
                raise RuntimeError(f"{tasks[reply.place]}: {reply.said or reply.failure}")
