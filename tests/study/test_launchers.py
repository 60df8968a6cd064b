"""What every launcher promises, and what the local one does with processes that die."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from medgraft.errors import ArgumentError
from medgraft.machine import cores
from medgraft.study.launch import Job, Spread, launch
from medgraft.study.launchers import Places, launchers
from medgraft.study.work import found, name_of
from medgraft.train.recipe import Recipe
from tests.study import made

HEAVY = {"torchrun", "ray"}  # which start several processes of their own


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    """The processes are told by name what makes a run, and that lies in these tests."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))


def wait_until(happened, seconds=60):
    """A process that broke must end a test, and not hang it."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def jobs(*seeds):
    return [Job(f"run-{seed}", Recipe(seed=seed), make=made.make) for seed in seeds]


def launched(folder, launcher, *seeds, workers=1, **named):
    places = Places(workers, 1, cores(), folder / "logs")
    return launch(
        jobs(*seeds),
        folder / "index.parquet",
        folder / "runs",
        command=[],
        finish=made.finish,
        spread=Spread(launchers.get(launcher), places),
        **named,
    )


def begun(folder, seed):
    return [line.split() for line in (folder / f"runs/run-{seed}/begun").read_text().splitlines()]


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.slow if n in HEAVY else ()) for n in launchers.names()],
)
def test_every_launcher_makes_every_run_once_and_says_what_broke(name, tmp_path, capsys, request):
    if name == "ray":
        request.getfixturevalue("ray_here")
    outcomes = launched(tmp_path, name, 0, made.BREAKS, 7)
    assert [o.failure for o in outcomes] == [None, "the table is not there.", None]
    assert [len(begun(tmp_path, seed)) for seed in (0, 7)] == [1, 1]
    assert {line[1] for line in begun(tmp_path, 0)} == {"1"}
    assert (tmp_path / "runs/run-7/report.html").read_text() == "done"
    assert "run-1 broke: the table is not there." in capsys.readouterr().err
    assert [o.attempts for o in launched(tmp_path, name, 0, 7)] == [0, 0]
    assert [len(begun(tmp_path, seed)) for seed in (0, 7)] == [1, 1]


def test_a_process_that_dies_costs_its_run_one_try_and_no_other_run_anything(tmp_path):
    outcomes = launched(tmp_path, "local", made.DIES, 0, made.DIES_ALWAYS, 5)
    assert [o.attempts for o in outcomes] == [2, 1, 2, 1]
    assert [line[0] for line in begun(tmp_path, made.DIES)] == ["False", "True"]
    failures = [o.failure for o in outcomes]
    assert failures[:2] + failures[3:] == [None] * 3
    assert "died 2 times, the last time by SIGKILL, probably for lack of memory" in failures[2]


@pytest.mark.slow
def test_several_processes_share_the_runs(tmp_path):
    launched(tmp_path, "local", *range(10, 16), workers=2)
    assert {len(begun(tmp_path, seed)) for seed in range(10, 16)} == {1}
    assert len(list((tmp_path / "logs").glob("worker-*.log"))) == 2


def test_ctrl_c_reaches_the_run_and_the_next_call_goes_on(tmp_path):
    waiting = tmp_path / "runs" / f"run-{made.WAITS}" / "begun"

    def interrupt():
        wait_until(waiting.is_file)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        launched(tmp_path, "local", made.WAITS)
    assert (waiting.parent / "saved").is_file()
    process = int(begun(tmp_path, made.WAITS)[0][2])
    assert not Path(f"/proc/{process}").exists()
    assert [o.failure for o in launched(tmp_path, "local", made.WAITS)] == [None]
    assert [line[0] for line in begun(tmp_path, made.WAITS)] == ["False", "True"]


@pytest.mark.slow
def test_when_the_parent_is_killed_its_run_saves_and_stops(tmp_path):
    code = (
        "from pathlib import Path; from tests.study.test_launchers import launched, made;"
        f"launched(Path({str(tmp_path)!r}), 'local', made.WAITS)"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as parent:
        begun_ = tmp_path / "runs" / f"run-{made.WAITS}" / "begun"
        try:
            wait_until(lambda: begun_.is_file() and begun_.read_text())
        finally:
            parent.kill()
    wait_until((begun_.parent / "saved").is_file)


class TestPlaces:
    def test_never_have_more_threads_than_cores(self, monkeypatch):
        monkeypatch.setattr("medgraft.study.launchers.cores", lambda: 6)
        for workers, threads, expected in (
            (None, None, (6, 1)),
            (2, None, (2, 3)),
            (4, None, (4, 1)),
            (None, 4, (1, 4)),
            (3, 2, (3, 2)),
        ):
            here = Places.of(Path(), workers=workers, threads=threads)
            assert (here.workers, here.threads) == expected
            assert here.workers * here.threads <= here.cores == 6

    def test_refuse_more(self, monkeypatch):
        monkeypatch.setattr("medgraft.study.launchers.cores", lambda: 4)
        for workers, threads in ((3, 2), (5, None), (None, 5)):
            with pytest.raises(ArgumentError, match="at most the 4 cores"):
                Places.of(Path(), workers=workers, threads=threads)
        with pytest.raises(ArgumentError, match="--workers must be at least 1, got 0"):
            Places.of(Path(), workers=0)


def test_a_process_makes_runs_by_functions_of_medgraft_alone():
    assert found(name_of(made.make)) is made.make
    with pytest.raises(ArgumentError, match="a function of medgraft, got 'os:system'"):
        found("os:system")
    with pytest.raises(ArgumentError, match="must exist, and does not"):
        found("medgraft.files:nothing")
