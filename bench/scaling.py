"""What grows with the number of images and of runs: time, and memory, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from bench import timing
from bench.indexing import tree
from bench.timing import Table

MEGABYTE = 2**20
REPLICATES = 100
COUNTS = {
    "index": (1_000, 10_000, 100_000),
    "index again": (1_000, 10_000, 100_000),
    "store": (100, 1_000, 10_000),
    "score": (1_000, 10_000, 100_000, 1_000_000),
    "evaluate": (1_000, 10_000, 100_000, 1_000_000),
    "study": (10, 100, 1_000),
    "study again": (10, 100, 1_000),
}
TOLD = {
    "index": "`medgraft index --no-decode` for the first time, JPEG of 224 x 224",
    "index again": "`medgraft index --update`, nothing has changed",
    "store": "preparing a store, different PNG of 32 x 32, in this process",
    "score": "table of predictions to the 100 candidates of highest entropy",
    "evaluate": f"all metrics of one label, {REPLICATES} replicates, each row a patient",
    "study": "runs of a study that take no time: plan, start, note, report",
    "study again": "the same command once all runs are finished",
}

Ready = Callable[[], object]  # the work that is measured, all else being prepared


def index(folder: Path, count: int) -> Ready:
    """Hash files for the first time."""
    from medgraft.index.build import build

    tree(folder / "films", count)
    return lambda: build(
        folder / "films", decode=False, remembered=folder / "m.parquet"
    ).index.save(folder / "i.parquet")


def index_again(folder: Path, count: int) -> Ready:
    """Look at names, sizes and times alone."""
    work = index(folder, count)
    work()
    return work


def store(folder: Path, count: int) -> Ready:
    """Decode and prepare images, all of which differ."""
    from PIL import Image

    from medgraft.index import Index
    from medgraft.prepare.store import Store

    rng = np.random.default_rng(0)
    for number in range(count):
        Image.fromarray(rng.integers(0, 256, (32, 32), np.uint8)).save(folder / f"{number}.png")
    frame = pl.DataFrame(
        {
            "image_id": [f"{number:064}" for number in range(count)],
            "path": [f"{number}.png" for number in range(count)],
            "bits": [8] * count,
        }
    )
    made = Index(frame=frame, root=folder)
    return lambda: Store.open(
        made, ["intensity"], cache=folder / "store", workers=0, memory_bytes=0
    )


def score(folder: Path, count: int) -> Ready:
    """Read a table of predictions and choose."""
    from medgraft.active.acquisition import acquisitions
    from medgraft.active.table import Pool

    p = np.random.default_rng(0).random(count)
    names = [f"films/{number:09}.png" for number in range(count)]
    pl.DataFrame({"candidate": names, "p_mass": p}).write_parquet(folder / "p.parquet")

    def work() -> object:
        pool = Pool.of(pl.read_parquet(folder / "p.parquet"))
        part = acquisitions.get("entropy")()
        return part.select(pool.evidence, min(100, count), np.random.default_rng(0))

    return work


def evaluate(folder: Path, count: int) -> Ready:  # noqa: ARG001 (all parts are called alike)
    """Metrics with intervals."""
    from medgraft.evaluate import evaluate as judge

    rng = np.random.default_rng(0)
    truth = (rng.random(count) < 0.2).astype(float)
    p = 1 / (1 + np.exp(-truth - rng.normal(size=count)))
    return lambda: judge(truth, p, names=["mass"], kind="independent", replicates=REPLICATES)


def study(folder: Path, count: int) -> Ready:
    """Plan, begin and note runs that are made at once."""
    from medgraft.files import write_json
    from medgraft.study.file import StudyFile
    from medgraft.study.grid import plan_runs
    from medgraft.study.launch import Job, launch

    asked = StudyFile(axes={"seed": list(range(count))})

    def made(*asked: Path, **_: object) -> None:
        write_json(asked[1] / "run.json", {"status": "finished", "seconds": {"train": 1.0}})

    def finish(out: Path) -> None:
        (out / "report.html").write_text("done")

    def work() -> object:
        runs = plan_runs(asked, folder, "rows")
        jobs = [Job(run.name, run.recipe, "all", make=made) for run in runs]
        return launch(jobs, folder / "i.parquet", folder / "runs", command=[], finish=finish)

    return work


def study_again(folder: Path, count: int) -> Ready:
    """Find that nothing is left to do."""
    work = study(folder, count)
    work()
    return work


PARTS: dict[str, Callable[[Path, int], Ready]] = {
    "index": index,
    "index again": index_again,
    "store": store,
    "score": score,
    "evaluate": evaluate,
    "study": study,
    "study again": study_again,
}


def alone(part: str, count: int) -> tuple[float, float]:
    """Seconds and megabytes of one part, in a process of its own."""
    command = [sys.executable, "-m", "bench.scaling", part, str(count), timing.CLOCK.name]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    seconds, megabytes = json.loads(said.splitlines()[-1])
    print(f"{part} {count}: {seconds:.3f} s, {megabytes:.0f} MB", file=sys.stderr, flush=True)
    return seconds, megabytes


def main() -> None:
    """What the process that `alone` starts does: a small one first, so that all is imported."""
    part, count, clock = sys.argv[1:]
    timing.CLOCK = timing.Clock(clock)
    with tempfile.TemporaryDirectory() as small, tempfile.TemporaryDirectory() as folder:
        PARTS[part](Path(small), 10)()
        work = PARTS[part](Path(folder), int(count))
        Path("/proc/self/clear_refs").write_text("5")  # the most so far is forgotten, see proc(5)
        before, began = held("VmRSS"), timing.CLOCK()
        work()
        print(json.dumps([timing.CLOCK() - began, (held("VmHWM") - before) / MEGABYTE]))


def held(which: str) -> int:
    """Memory of this process in bytes: now (VmRSS), or at most so far (VmHWM)."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (line,) = (line for line in lines if line.startswith(f"{which}:"))
    return int(line.split()[1]) * 1024


def measure() -> Table:
    """The table of bench/scaling.md."""
    rows = []
    for part, counts in COUNTS.items():
        first = None
        for count in counts:
            seconds, megabytes = alone(part, count)
            each = seconds / count
            first = each if first is None else first
            rows.append(
                (
                    TOLD[part],
                    f"{count:,}",
                    timing.seconds(seconds),
                    f"{each * 1e6:,.1f}",
                    timing.ratio(each / first),
                    f"{megabytes:,.0f}",
                )
            )
    return Table(
        title="What grows with images and runs",
        text=(
            "Each cell in a process of its own, after one with ten. Memory is what the main process held"
            " at most beyond what it held before, its libraries and its input apart. Linear means that the"
            " microseconds of each do not rise."
        ),
        header=("what", "how many", "time", "µs each", "of the first", "memory, MB"),
        rows=tuple(rows),
        packages=("numpy", "scipy", "polars"),
    )


if __name__ == "__main__":
    main()
