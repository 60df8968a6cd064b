"""Several processes: the same gradients as one, one complete run folder, one clear refusal."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file

from medgraft.index import Index
from medgraft.runs import RunFolder
from medgraft.train.predict import predict_files
from tests.train.test_going_on import flags, same_weights, status, wait_for_checkpoint

pytestmark = pytest.mark.slow
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone"]


def environment():
    return {**os.environ, "PYTHONPATH": os.getcwd(), "OMP_NUM_THREADS": "1"}


def command(index, out, *more, **changes):
    train = ["--nproc-per-node", "2", "-m", "medgraft.cli", "train", str(index), "--out", str(out)]
    return [*TORCHRUN, *train, *more, *(flags(**changes) if changes else [])]


def call(*arguments):
    return subprocess.run(arguments, env=environment(), capture_output=True, text=True)


def test_two_processes_find_the_gradients_of_one(tmp_path):
    """Under torchrun the weights after training equal those of a single process."""
    script = tmp_path / "pair.py"
    script.write_text(
        "import sys, torch\n"
        "from safetensors.torch import save_file\n"
        "from medgraft.train.loop import Loop\n"
        "from medgraft.train.processes import Processes\n"
        "from tests.train.conftest import quick\n"
        "from tests.train.test_loop import Regression, batches, weights\n"
        "processes = Processes.join()\n"
        "objective = Regression()\n"
        "objective.net[1] = torch.nn.Identity()\n"
        "given = batches(rank=processes.rank, world=processes.world)\n"
        "Loop(objective, given, quick(epochs=3, rate=0.05), processes=processes).run()\n"
        "if processes.first:\n"
        "    save_file(weights(objective), sys.argv[1])\n"
        "processes.leave()\n"
    )
    for count, out in (("1", "one"), ("2", "two")):
        done = call(*TORCHRUN, "--nproc-per-node", count, str(script), str(tmp_path / out))
        assert done.returncode == 0, done.stderr
    one, two = load_file(tmp_path / "one"), load_file(tmp_path / "two")
    for key, value in one.items():
        torch.testing.assert_close(two[key], value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("memory_format", ["contiguous", "channels_last"])
def test_a_run_of_two_processes_is_complete_and_whole(memory_format, spots, tmp_path):
    out = RunFolder(tmp_path / "run")
    done = call(*command(spots, out.path, memory_format=memory_format))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("report: ") == 1  # the first process speaks for all
    assert done.stderr.count("train:") <= 1  # one bar
    record = json.loads(out.record.read_text())
    assert (record["status"], record["compute"]["processes"]) == ("finished", 2)
    files = (out.recipe, out.index, out.rejects, out.weights, out.weights_record, out.history)
    files += (out.predictions, out.evaluation, out.report, out.card)
    assert all(file.is_file() for file in files)
    assert not out.checkpoint.exists()
    table, index = pl.read_parquet(out.predictions), Index.load(spots).frame
    assert sorted(table["path"]) == sorted(index["path"])
    alone = predict_files(out, [spots.parent / path for path in table["path"]])
    np.testing.assert_allclose(alone.table["p_right"], table["p_right"], atol=1e-5)


@pytest.mark.parametrize("combine", ["ensemble", "average"])
def test_two_processes_answer_with_several_networks_as_one_does_afterwards(
    combine, spots, tmp_path
):
    out = RunFolder(tmp_path / "run")
    settings = {"keep_best": 2, "combine": combine, "tta": "corners", "validate_every": 16}
    done = call(*command(spots, out.path, **settings))
    assert done.returncode == 0, done.stderr
    table = pl.read_parquet(out.predictions)
    alone = predict_files(out, [spots.parent / path for path in table["path"]])
    np.testing.assert_allclose(alone.table["p_right"], table["p_right"], atol=1e-5)
    assert len(list(out.members.glob("*.safetensors"))) == (combine == "ensemble")


def test_a_head_that_is_fitted_is_that_of_one_process(spots, tmp_path):
    runs = []
    for count in ("1", "2"):
        runs.append(RunFolder(tmp_path / count))
        start = command(spots, runs[-1].path, strategy="svm:layer1", batch_size=8)
        start[start.index("--nproc-per-node") + 1] = count
        done = call(*start)
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("cross-validate:") <= 1  # one bar
    assert same_weights(*(run.path for run in runs))
    assert pl.read_csv(runs[0].history).equals(pl.read_csv(runs[1].history))


def test_what_one_process_refuses_ends_all_in_clear_lines(spots, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("mine")
    done = call(*command(spots, tmp_path / "run", memory_format="contiguous"))
    assert done.returncode != 0
    assert done.stderr.count("error: --out must name a new or empty folder") == 1
    assert "a bug in medgraft" not in done.stderr
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["thesis.txt"]


def test_two_processes_that_are_stopped_go_on_bit_for_bit(spots, tmp_path):
    """torchrun passes Ctrl-C on to its processes, which must save and stop together."""
    whole, out = tmp_path / "whole", tmp_path / "stopped"
    settings = {"epochs": 16, "checkpoint_seconds": 0}
    assert call(*command(spots, whole, **settings)).returncode == 0
    arguments, pipe = command(spots, out, **settings), subprocess.PIPE
    with subprocess.Popen(arguments, env=environment(), stderr=pipe, text=True) as process:
        wait_for_checkpoint(out, None)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=120)[1]
    assert said.splitlines().count("stopped") == 2, said
    assert status(out) == "stopped"
    assert list(RunFolder(out).checkpoint.iterdir())
    assert call(*command(spots, out, "--resume")).returncode == 0
    assert same_weights(whole, out)
