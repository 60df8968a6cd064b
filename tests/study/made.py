"""Ways of making a run that take no time, for launchers: processes find them by name."""

import _thread
import contextlib
import os
import signal
import threading
import time
from pathlib import Path

from medgraft.errors import TableError
from medgraft.files import write_json
from medgraft.train.train import train

BREAKS, DIES, DIES_ALWAYS, WAITS = 1, 2, 3, 4  # seeds
DOOMED = "doomed"  # file that names the process of a node


def make(index_path, out, recipe, *, command, resume):
    """Write what a finished run has; by its seed a run breaks, dies, or waits to be stopped."""
    out.mkdir(parents=True, exist_ok=True)
    if os.environ.get("RANK", "0") != "0":
        return
    with (out / "begun").open("a") as begun:
        begun.write(f"{resume} {os.environ['OMP_NUM_THREADS']} {os.getpid()}\n")
    (out / "recipe.yaml").write_text("seed: 0\n")
    if recipe.seed == BREAKS:
        raise TableError("the table is not there.")
    if recipe.seed == DIES_ALWAYS or (recipe.seed == DIES and not resume):
        os.kill(os.getpid(), signal.SIGKILL)
    if recipe.seed == WAITS and not resume:
        try:
            for _ in range(6000):  # Ray interrupts between two steps of Python
                time.sleep(0.01)
        except KeyboardInterrupt:
            (out / "saved").touch()
            raise
    write_json(out / "run.json", {"status": "finished", "seconds": {"train": 1.0}})


def train_until_killed(index_path, out, recipe, *, command, resume):
    """Training, which on a node that is doomed stops after a step and waits for the end of it."""
    doomed = int((out.parents[2] / DOOMED).read_text())
    if os.getppid() != doomed:
        train(index_path, out, recipe, command=command, resume=resume)
        return

    def stop_soon():
        while not (out / "recipe.yaml").is_file():
            time.sleep(0.01)
        _thread.interrupt_main()

    threading.Thread(target=stop_soon, daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt):
        train(index_path, out, recipe, command=command, resume=False)
    (out / "waits").touch()
    time.sleep(600)


def finish(folder):
    """Write a report."""
    (Path(folder) / "report.html").write_text("done")
