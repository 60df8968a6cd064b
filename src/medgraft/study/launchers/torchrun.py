"""One run at a time, each trained by several processes together."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from medgraft.files import read_json, write_json
from medgraft.study.launchers import Ended, Places, Task, Watch, launcher
from medgraft.study.launchers.local import PATIENCE_SECONDS, environment
from medgraft.study.work import reply_of


@launcher("torchrun")
def torchrun(tasks: Iterator[Task], places: Places, watch: Watch) -> Iterator[Ended]:
    """Every run is trained by `places.workers` processes that share each batch.

    For networks that are too slow for one process; small networks are faster by "local", which
    makes several runs at a time.
    """
    places.logs.mkdir(parents=True, exist_ok=True)
    for task in tasks:
        watch.began(task.name)
        yield Ended(task.name, _made(task, places, watch))


def _made(task: Task, places: Places, watch: Watch) -> str | None:
    file = (places.logs / f"{task.name}.json").absolute()
    write_json(file, task.told)
    reply_of(file).unlink(missing_ok=True)
    log = file.with_suffix(".log")
    with log.open("ab") as said:
        process = subprocess.Popen(  # noqa: S603 (our own program)
            _command(places.workers, file),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
            env=environment(places.threads),
        )
        try:
            while process.poll() is None:
                time.sleep(0.2)
                watch.tick()
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                try:
                    process.wait(PATIENCE_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()
    if not reply_of(file).is_file():
        return f"its processes ended with status {process.returncode}; see '{log}'"
    failure: str | None = read_json(reply_of(file))["failure"]
    return failure


def _command(processes: int, file: Path) -> list[str]:
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    return [*start, f"--nproc-per-node={processes}", "-m", "medgraft.study.work", str(file)]
