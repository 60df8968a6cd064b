"""Whoever calls a command, its record tells how to call it again."""

import json

from tests.train.conftest import make_spots

from medgraft.cli.__main__ import main
from medgraft.runs import RunFolder


def test_a_run_that_python_started_records_its_own_arguments(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["study.py", "--data", "elsewhere"])
    index, out = make_spots(tmp_path), tmp_path / "run"
    arguments = f"train {index} --backbone resnet18 --after layer1 --size 32 --epochs 1 --batch-size 8 --threads 1 --replicates 20 --out {out}"
    assert main(arguments.split()) == 0
    record = json.loads(RunFolder(out).record.read_text())
    assert record["command"] == ["medgraft", *arguments.split()]
