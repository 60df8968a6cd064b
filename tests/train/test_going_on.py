"""Runs that are stopped, killed or refused, and how they go on."""

import json
import signal
import subprocess
import sys
import time

import polars as pl
import pytest
import torch
from safetensors.torch import load_file

from medgraft.cli.__main__ import main
from medgraft.errors import OutputError, TrainingError
from medgraft.index import Index
from medgraft.runs import RunFolder
from medgraft.train import classification
from medgraft.train import train as module
from medgraft.train.train import train
from tests.train.conftest import QUICK, make_spots, quick
from tests.train.test_full_disk import room

SMALL = {"after": "layer1", "epochs": 2}


def run(index, out, *, resume=False, **changes):
    return train(index, out, quick(**{**SMALL, **changes}), command=[], resume=resume)


def status(out):
    return json.loads(RunFolder(out).record.read_text())["status"]


def same_weights(one, two):
    one, two = load_file(RunFolder(one).weights), load_file(RunFolder(two).weights)
    return all(torch.equal(one[k], two[k]) for k in one)


class Killed(BaseException):
    """Stands for kill -9: nothing in the package catches it."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nobody disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    return run(make_spots(folder), folder / "run").path


@pytest.mark.parametrize("place", ["predictions", "judge", "save_weights", "_hash_of_weights"])
def test_a_run_killed_after_training_goes_on_without_training_again(
    place, whole, spots, tmp_path, monkeypatch
):
    def killed(*_args, **_named):
        raise Killed

    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        if place == "_hash_of_weights":  # the weights are there, and weights.json is not
            written = module.write_json
            patch.setattr(
                module,
                "write_json",
                lambda path, data: killed() if path.name == "weights.json" else written(path, data),
            )
        else:
            where = module if hasattr(module, place) else classification
            patch.setattr(where, place, killed)
        with pytest.raises(Killed):
            run(spots, out)
    assert status(out) == "stopped"
    assert list(RunFolder(out).checkpoint.iterdir())
    assert RunFolder(out).weights.is_file() == (place == "_hash_of_weights")
    with monkeypatch.context() as patch:
        patch.setattr("medgraft.train.supervised.Supervised.loss", killed)
        run(spots, out, resume=True)
    assert status(out) == "finished"
    assert not RunFolder(out).checkpoint.exists()
    assert same_weights(out, whole)


def test_a_run_stopped_while_it_prepares_leaves_an_empty_folder(spots, tmp_path, monkeypatch):
    def stopped(*_args, **_named):
        raise KeyboardInterrupt

    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(classification, "load_data", stopped)
        with pytest.raises(KeyboardInterrupt):
            run(spots, out)
    assert not list(out.iterdir())
    with pytest.raises(OutputError, match=r"holds none\. Leave --resume out"):
        run(spots, out, resume=True)
    assert run(spots, out).record.is_file()


def test_a_refused_run_can_be_called_again(spots, tmp_path):
    """Wrong weights are found when the images are ready: the folder must not be in use then."""
    other = run(spots, tmp_path / "other")
    with pytest.raises(Exception, match="ends at 'layer1'"):
        run(spots, tmp_path / "run", weights=str(other.path), after=None)
    assert run(spots, tmp_path / "run").weights.is_file()


def test_a_resumed_run_must_keep_its_recipe_and_its_rows(spots, tmp_path, monkeypatch):
    out = tmp_path / "run"
    run(spots, out)
    with pytest.raises(OutputError, match="is finished"):
        run(spots, out, resume=True)
    with pytest.raises(OutputError, match="holds none"):
        run(spots, tmp_path / "none", resume=True)
    record = json.loads(RunFolder(out).record.read_text())
    RunFolder(out).record.write_text(json.dumps({**record, "status": "running"}))
    with pytest.raises(TrainingError, match="these differ: epochs"):
        run(spots, out, resume=True, epochs=3)
    index = Index.load(spots)
    index.with_frame(index.frame.filter(pl.col("path") != "images/40.png")).save(spots)
    with pytest.raises(TrainingError, match="must keep its rows"):
        run(spots, out, resume=True)


def flags(**changes):
    settings = {**QUICK, "augment": "films", **SMALL, **changes}
    return [part for k, v in settings.items() for part in (f"--{k.replace('_', '-')}", str(v))]


def test_a_full_disk_is_one_line_and_the_run_goes_on(spots, tmp_path, capsys):
    out = tmp_path / "run"
    call = ["train", str(spots), "--out", str(out)]
    with room(300_000):  # less than a checkpoint, more than all else
        assert main([*call, *flags(checkpoint_seconds=0)]) == 2
    errors = capsys.readouterr().err.strip().splitlines()
    assert [line for line in errors if "error" in line] == errors[-1:]
    assert "the disk must have room for" in errors[-1]
    assert status(out) == "stopped"
    assert main([*call, "--resume"]) == 0
    assert status(out) == "finished"


COMMAND = [sys.executable, "-m", "medgraft.cli", "train"]


def newest(out):
    found = sorted((out / "checkpoint").rglob("step-*.safetensors"))
    return found[-1].name if found else None


def wait_for_checkpoint(out, before):
    deadline = time.monotonic() + 120
    while newest(out) in (None, before):
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
def test_a_run_killed_and_stopped_ends_in_the_same_weights_bit_for_bit(spots, tmp_path):
    """kill -9, then SIGTERM, then Ctrl-C twice; after each it goes on."""
    settings = {"epochs": 40, "checkpoint_seconds": 0}
    run(spots, tmp_path / "whole", **settings)
    out = tmp_path / "killed"
    command = [*COMMAND, str(spots), "--out", str(out), *flags(**settings)]
    signals = (
        ([signal.SIGKILL], -9),
        ([signal.SIGTERM, signal.SIGTERM], 130),  # schedulers repeat it
        ([signal.SIGINT, signal.SIGINT], 130),
    )
    for numbers, code in signals:
        before = newest(out)
        resume = ["--resume"] if before else []
        with subprocess.Popen([*command, *resume], stderr=subprocess.PIPE, text=True) as process:
            wait_for_checkpoint(out, before)
            for number in numbers:
                process.send_signal(number)
            said = process.communicate(timeout=120)[1]
        assert process.returncode == code, said
        assert "Traceback" not in said
        assert status(out) == ("running" if code == -9 else "stopped")
    assert subprocess.run([*COMMAND, str(spots), "--out", str(out), "--resume"]).returncode == 0
    assert same_weights(tmp_path / "whole", out)
    assert json.loads(RunFolder(out).record.read_text())["resumed"] == 3
