"""Several processes that learn masks, or to restore: one complete run folder, the answers of one."""

import json
import signal
import subprocess

import polars as pl
import pytest

from medgraft.cli.__main__ import main
from medgraft.index import Index
from medgraft.runs import RunFolder
from medgraft.train.segmentation.judging import judge_masks, mean_dice
from medgraft.train.segmentation.predict import load_drawn
from tests.train.conftest import make_spots
from tests.train.test_going_on import same_weights, status, wait_for_checkpoint
from tests.train.test_processes import TORCHRUN, call, environment
from tests.train.test_segmentation import indexed, make_cells

pytestmark = pytest.mark.slow
SMALL = "--after layer1 --batch-size 8 --threads 1 --precision float32 --memory-format contiguous"


def two(job, index, out, *flags):
    started = ["--nproc-per-node", "2", "-m", "medgraft.cli", job, str(index), "--out", str(out)]
    return [*TORCHRUN, *started, *SMALL.split(), *flags]


def finished(run):
    record = json.loads(run.record.read_text())
    assert (record["status"], record["compute"]["processes"]) == ("finished", 2)
    assert run.report.is_file()
    assert not run.checkpoint.exists()
    return record


@pytest.mark.parametrize("kept", ["1", "2"])
def test_masks_of_two_processes_are_those_of_one_afterwards(kept, tmp_path):
    index = indexed(make_cells(tmp_path / "cells"))
    run = RunFolder(tmp_path / "run")
    learning = f"--task segmentation --epochs 2 --augment none --replicates 20 --keep-best {kept}"
    flags = [*learning.split(), "--patch", "16", "--patches-per-image", "2"]
    steps = ["--steps", "intensity", "crop_or_pad:side=40;32"]  # the grid of the files
    done = call(*two("train", index, run.path, *flags, *steps))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("report: ") == 1
    best = finished(run)["best"]
    table, answers = pl.read_parquet(run.segmentation), load_drawn(run).answers
    assert len(answers.segmenters) == int(kept)
    alone = judge_masks(answers, Index.load(index)).table
    keys = ["image_id", "class", "truth_voxels", "predicted_voxels"]
    assert table.select(keys).equals(alone.select(keys))
    if kept == "1":  # each process validated half of the images
        found = judge_masks(answers, Index.load(index), split="val").table
        of_each = mean_dice(found).values()
        assert best["value"] == pytest.approx(sum(of_each) / len(of_each), abs=1e-6)


def test_two_processes_that_restore_and_name_go_on_bit_for_bit(tmp_path):
    """The encoder alone first, then with the decoder; stopped, and taken up again."""
    spots, patterns = make_spots(tmp_path), tmp_path / "patterns"
    discovery = "--size 32 --crop 16 --side 16 --epochs 1 --patterns 3 --neighbours 6"
    assert main(["discover", str(spots), "--out", str(patterns), *discovery.split()]) == 0
    learning = f"--task models_genesis --semantic {patterns} --encoder-epochs 4 --epochs 4"
    flags = [*learning.split(), "--checkpoint-seconds", "0"]
    whole, stopped = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "stopped")
    done = call(*two("pretrain", spots, whole.path, *flags))
    assert done.returncode == 0, done.stderr
    names = [phase["name"] for phase in finished(whole)["network"]["phases"]]
    assert names == ["encoder alone", "encoder and decoder"]
    assert json.loads(whole.pretext.read_text())["images"] > 0
    start, pipe = two("pretrain", spots, stopped.path, *flags), subprocess.PIPE
    with subprocess.Popen(start, env=environment(), stderr=pipe, text=True) as process:
        wait_for_checkpoint(stopped.path, None)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=240)[1]
    assert said.splitlines().count("stopped") == 2, said
    assert status(stopped.path) == "stopped"
    assert call(*two("pretrain", spots, stopped.path, *flags, "--resume")).returncode == 0
    assert same_weights(whole.path, stopped.path)
    times = ["seconds", "images_per_second"]
    one, other = (pl.read_csv(run.history).drop(times) for run in (whole, stopped))
    assert one.equals(other)
