"""The pool: every task is answered once, and what goes wrong costs its task only."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from medgraft import pool
from medgraft.errors import ArgumentError, WorkerError
from medgraft.pool import CHUNK, spread

ROOT = Path(__file__).parents[1]


@pytest.fixture
def done():
    """What becomes of tasks, as a dictionary from place to reply; each place once."""

    def run(work, tasks, **options):
        options = {"what": "testing", "packages": ("tests",), **options}
        with spread(f"tests.pool_work:{work}", tasks, **options) as replies:
            seen = list(replies)
        assert sorted(reply.place for reply in seen) == list(range(len(tasks)))
        return {reply.place: reply for reply in seen}

    return run


@pytest.fixture
def pipes_kill():
    """SIGPIPE as the command line has it, so that `medgraft list x | head` ends in silence."""
    before = signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGPIPE, before)


class TestAnswers:
    @pytest.mark.parametrize("workers", [0, 1, 3, None])
    @pytest.mark.parametrize("count", [0, 1, 5, 3 * CHUNK + 5, 400])
    def test_every_task_is_answered_whatever_the_number_of_workers(self, done, workers, count):
        got = done("squaring", range(count), workers=workers, settings={"offset": 1})
        assert {k: reply.said for k, reply in got.items()} == {k: k * k + 1 for k in range(count)}

    @pytest.mark.parametrize("workers", [0, 2])
    def test_arrays_arrive_as_they_were(self, done, workers):
        for place, reply in done("counting_arrays", list(range(50)), workers=workers).items():
            assert reply.said == {"number": place}
            if place % 3 == 0:
                assert reply.array is None
                continue
            kind = ("u1", "<u2", "<f4", "?")[place % 4]
            wanted = np.arange(place * 40).reshape(place, 2, 20).swapaxes(0, 2).astype(kind)
            assert reply.array.dtype == wanted.dtype
            np.testing.assert_array_equal(reply.array, wanted)

    def test_answers_larger_than_a_pipe_are_not_held_up(self, done, monkeypatch):
        got = done("counting_arrays", [2000] * 40, workers=2)
        assert all(reply.array.nbytes == 2000 * 40 for reply in got.values())

    def test_names_that_are_not_utf8_survive(self, done):
        names = [os.fsdecode(b"caf\xe9.png"), "naïve\nline.png", "\u2028", ""] * 4
        got = done("echoing", names, workers=2)
        assert [got[k].said for k in range(len(names))] == names


class TestWhatGoesWrong:
    FATES = (
        ("abort", "its decoder crashed (SIGABRT)"),
        ("segfault", "its decoder crashed (SIGSEGV)"),
        ("leave", "its decoder crashed (exit status 7)"),
        ("killed", "the system ended its decoder, probably for lack of memory"),
        ("hang", "it took more than 1 s"),
        ("glut", "it takes more memory than there is"),
    )

    @pytest.mark.usefixtures("pipes_kill")
    @pytest.mark.parametrize("workers", [1, 3])
    def test_it_costs_its_task_only(self, done, workers):
        tasks = ["chatter" if k % 5 == 4 else "well" for k in range(90)]
        wrong = {11 * k + j: fate for k, fate in enumerate(self.FATES) for j in (0, 1)}
        for place, (fate, _) in wrong.items():
            tasks[place] = fate
        got = done("suffering", tasks, workers=workers, timeout_seconds=1, memory_bytes=2**30)
        for place, reply in got.items():
            if place in wrong:
                assert reply.said is None
                assert reply.failure[0] == wrong[place][1]
                assert reply.failure[1].endswith(".")
            else:
                assert reply.failure is None
                assert reply.said == tasks[place]

    def test_all_tasks_may_crash(self, done):
        assert all(reply.failure for reply in done("suffering", ["abort"] * 12).values())

    @pytest.mark.parametrize("workers", [0, 2])
    def test_wrong_settings_are_told_as_the_work_tells_them(self, done, workers):
        with pytest.raises(ArgumentError, match=r"^side must be positive$"):
            done(
                "refusing",
                range(30),
                workers=workers,
                settings={"message": "side must be positive"},
            )

    @pytest.mark.parametrize("workers", [0, 2])
    def test_an_argument_that_no_task_would_mend_ends_it(self, done, workers):
        with pytest.raises(ArgumentError, match="no number may be 3"):
            done("failing", range(9), workers=workers)

    def test_our_own_mistake_is_raised_with_where_it_was(self, done):
        with pytest.raises(RuntimeError, match=r"(?s)pool_work\.py.*ZeroDivisionError: a mistake"):
            done("failing", range(10, 50), workers=2)

    @pytest.mark.usefixtures("pipes_kill")
    def test_a_worker_that_cannot_start_is_an_error_and_not_a_loop(self, done, monkeypatch):
        monkeypatch.setattr(sys, "path", [])
        monkeypatch.setattr(sys, "executable", "/bin/false")
        with pytest.raises(WorkerError, match="it ended at once"):
            done("squaring", range(50), workers=2)
        monkeypatch.setattr(sys, "executable", "/nowhere/python")
        with pytest.raises(WorkerError, match="No such file"):
            done("squaring", range(50), workers=2)


@pytest.mark.parametrize("workers", [0, 2])
class TestWhatMayBeNamed:
    @pytest.mark.parametrize("name", ["os:getpid", "tests.pool_work:squaring", "medgraftt:x", ""])
    def test_other_packages_are_refused(self, name, workers):
        with (
            pytest.raises(ArgumentError, match="must be a function of medgraft, got"),
            spread(name, [1] * 20, what="testing", workers=workers) as replies,
        ):
            list(replies)

    @pytest.mark.parametrize("name", ["medgraft.nothing:x", "medgraft.pool:nothing", "medgraft"])
    def test_what_is_not_there_is_said(self, name, workers):
        with (
            pytest.raises(ArgumentError, match="must be named module:function"),
            spread(name, [1] * 20, what="testing", workers=workers) as replies,
        ):
            list(replies)


class TestProcesses:
    def test_workers_are_shielded_and_use_one_thread(self, done):
        said = [reply.said for reply in done("looking_around", [0.0] * 200, workers=2).values()]
        assert {tuple(one["threads"]) for one in said} == {("1", "1", "1")}
        assert os.getpid() not in {one["pid"] for one in said}
        assert all(one["session"] == one["pid"] for one in said)  # Ctrl-C does not reach them

    def test_few_quick_tasks_start_one_worker_and_slow_ones_start_all(self, done, monkeypatch):
        monkeypatch.setattr(pool, "PATIENCE_SECONDS", 3.0)
        assert len(pids(done("looking_around", [0.0] * 40, workers=4))) == 1
        monkeypatch.setattr(pool, "PATIENCE_SECONDS", 0.1)
        assert len(pids(done("looking_around", [0.2] * 12, workers=3))) == 3

    def test_a_file_in_the_current_folder_is_not_imported(self, done, tmp_path, monkeypatch):
        (tmp_path / "json.py").write_text("raise SystemExit('executed')")
        monkeypatch.chdir(tmp_path)
        assert len(done("squaring", range(40), workers=2)) == 40

    def test_leaving_early_ends_the_workers_at_once(self):
        tasks = [0.3] + [30.0] * 60  # the first is old enough to be sent by itself
        begun = time.monotonic()
        with spread(
            "tests.pool_work:looking_around", tasks, what="testing", workers=2, packages=["tests"]
        ) as replies:
            next(replies)
        assert time.monotonic() - begun < 10
        assert children() == []

    def test_none_is_left_behind(self, done):
        done("squaring", range(100), workers=2)
        with pytest.raises(ArgumentError):
            done("failing", range(100), workers=2)
        assert children() == []

    @pytest.mark.parametrize("way", [signal.SIGKILL, signal.SIGINT])
    def test_none_outlives_its_parent_by_more_than_a_task(self, way):
        script = """
            from medgraft.pool import spread
            work = "tests.pool_work:looking_around"
            with spread(work, [0.2] * 500, what="x", workers=2, packages=["tests"]) as replies:
                for reply in replies:
                    print(reply.said["pid"], flush=True)
        """
        command = [sys.executable, "-c", textwrap.dedent(script)]
        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            text=True,
        ) as parent:
            seen = {int(parent.stdout.readline()) for _ in range(12)}
            parent.send_signal(way)
        assert len(seen) == 2
        for _ in range(200):
            if not any(alive(worker) for worker in seen):
                break
            time.sleep(0.05)
        assert not [worker for worker in seen if alive(worker)]


def pids(replies):
    return {reply.said["pid"] for reply in replies.values()}


def alive(process):
    """Whether a process runs; one that has ended and waits to be collected does not."""
    try:
        with open(f"/proc/{process}/stat") as handle:
            return handle.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def children():
    """Workers that this process has started and that still run."""
    return [p for p in os.listdir("/proc") if p.isdigit() and _is_ours(p)]


def _is_ours(process):
    try:
        with open(f"/proc/{process}/stat") as status, open(f"/proc/{process}/cmdline") as command:
            parent = int(status.read().rpartition(")")[2].split()[1])
            return parent == os.getpid() and "medgraft.worker" in command.read()
    except OSError:
        return False
