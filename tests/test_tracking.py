"""Runs in MLflow: what stands there, that it stands there once, and that it costs no run."""

import contextlib
import csv
import json
import shutil
import sys
import warnings

import pytest
import yaml

from medgraft.cli.study import Study
from medgraft.cli.train import Train
from medgraft.errors import ArgumentError, MissingExtraError
from medgraft.runs import RunFolder
from medgraft.study.launch import Job, launch
from medgraft.tracking import Tracker, tracked
from medgraft.train.recipe import Recipe
from tests.study import made

MISSING = 'MLflow is not installed: pip install "medgraft[mlflow]"'


@pytest.fixture(scope="session")
def database(tmp_path_factory):
    """An empty database of MLflow, which takes seconds to make, to be copied."""
    mlflow = pytest.importorskip("mlflow", reason=MISSING)
    pytest.importorskip("alembic", reason=MISSING)
    folder = tmp_path_factory.mktemp("mlflow")
    tracker = Tracker.of("mlflow", experiment="none", folder=folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlflow.MlflowClient(tracker.uri).search_experiments()
    return folder / "mlflow.db"


@pytest.fixture
def tracker(database, tmp_path):
    shutil.copy(database, tmp_path / "mlflow.db")
    return Tracker.of("mlflow", experiment="films", folder=tmp_path)


def written(path, epochs=3, status="finished"):
    """A run folder as training leaves it."""
    path.mkdir(exist_ok=True)
    record = {
        "medgraft": "0.1.0",
        "started": "2026-11-20T10:00:00+00:00",
        "finished": "2026-11-20T10:05:00+00:00" if status == "finished" else None,
        "status": status,
        "resumed": 0,
        "inputs": {"index": "ab12", "weights": None},
        "hardware": {"processor": "Xeon", "accelerator": None},
    }
    (path / "run.json").write_text(json.dumps(record))
    (path / "recipe.yaml").write_text(yaml.safe_dump(Recipe(seed=3).model_dump(mode="json")))
    with (path / "history.csv").open("w", newline="") as lines:
        rows = csv.writer(lines)
        rows.writerow(["step", "epoch", "loss", "auroc_val", "rate", "seconds"])
        for epoch in range(1, epochs + 1):
            # the validation of the first epoch is not defined
            rows.writerow([10 * epoch, epoch, 1 / epoch, "nan" if epoch < 2 else 0.5, "", 60.0])
    if status == "finished":
        entry = {"value": 0.9, "low": 0.8, "high": 0.95}
        found = {"metrics": {"auroc": entry, "ppv": {"value": None, "reason": "no one"}}}
        (path / "evaluation.json").write_text(json.dumps(found))
    return RunFolder(path)


def kept(tracker):
    """All runs in MLflow, and its client."""
    import mlflow

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        client = mlflow.MlflowClient(tracker.uri)
        experiment = client.get_experiment_by_name(tracker.experiment)
        return client, client.search_runs([experiment.experiment_id])


def curve(client, run, name):
    return [(one.step, one.value, one.timestamp) for one in client.get_metric_history(run, name)]


def test_a_run_stands_there_with_settings_curves_verdict_and_where_it_lies(tracker, tmp_path):
    tracker.mirror(written(tmp_path / "run"))
    client, (one,) = kept(tracker)
    assert one.data.params == {k: str(v) for k, v in Recipe(seed=3).model_dump(mode="json").items()}
    noon = 1795168800000  # 2026-11-20 10:00 UTC
    assert curve(client, one.info.run_id, "loss") == [
        (10 * n, pytest.approx(1 / n), noon + 60_000 * n) for n in (1, 2, 3)
    ]
    assert [step for step, _, _ in curve(client, one.info.run_id, "auroc_val")] == [20, 30]
    verdict = {k: v for k, v in one.data.metrics.items() if k.startswith("test/")}
    assert verdict == {"test/auroc": 0.9, "test/auroc/low": 0.8, "test/auroc/high": 0.95}
    assert (one.info.run_name, one.info.status) == ("run", "FINISHED")
    assert (one.info.start_time, one.info.end_time) == (noon, noon + 300_000)
    assert one.data.tags["medgraft.folder"] == str(tmp_path / "run")
    assert one.data.tags["medgraft.index"] == "ab12"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mlflow.db", "run"]


def test_a_run_that_went_on_is_the_same_run_there_with_no_point_twice(tracker, tmp_path):
    tracker.mirror(written(tmp_path / "run", epochs=2, status="stopped"))
    _, (before,) = kept(tracker)
    assert before.info.status == "KILLED"
    for _ in range(2):
        tracker.mirror(written(tmp_path / "run", epochs=4))
    client, (after,) = kept(tracker)
    assert after.info.run_id == before.info.run_id
    assert after.info.status == "FINISHED"
    assert [step for step, _, _ in curve(client, after.info.run_id, "loss")] == [10, 20, 30, 40]
    assert len(curve(client, after.info.run_id, "test/auroc")) == 1


def test_a_broken_tracker_costs_a_line_and_no_run(tmp_path, capsys):
    pytest.importorskip("mlflow", reason=MISSING)
    (tmp_path / "mlflow.db").write_text("this is no database, and long enough to be seen as none")
    run = written(tmp_path / "run")
    tracker = Tracker.of("mlflow", experiment="films", folder=tmp_path)
    with tracked(tracker, run):
        run.record.write_text(run.record.read_text() + "\n")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"'{run.path}' was not mirrored into sqlite:///")
    secret = Tracker("postgresql://me:secret@nowhere.invalid/db", "films", tmp_path)
    secret.mirror(run)
    assert "secret" not in capsys.readouterr().err


def test_what_was_not_touched_is_not_mirrored(tmp_path, monkeypatch):
    run, seen = written(tmp_path / "run"), []
    monkeypatch.setattr(Tracker, "mirror", lambda _, run: seen.append(run))
    tracker = Tracker("sqlite://", "films", tmp_path)
    with pytest.raises(ArgumentError), tracked(tracker, run):
        raise ArgumentError("--out must be new.")
    assert seen == []
    with contextlib.suppress(KeyboardInterrupt), tracked(tracker, run):
        written(tmp_path / "run", epochs=4)
        raise KeyboardInterrupt
    assert seen == [run]


def test_a_study_mirrors_every_run_that_ended_those_of_earlier_calls_too(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    seen = []

    def call(*seeds, mirror):
        return launch(
            [Job(f"run-{seed}", Recipe(seed=seed), make=made.make) for seed in seeds],
            tmp_path / "index.parquet",
            tmp_path / "runs",
            command=[],
            finish=made.finish,
            mirror=mirror,
        )

    call(0, mirror=None)
    call(0, made.BREAKS, 7, mirror=lambda run: seen.append(run.path.name))
    assert seen == ["run-0", "run-7"]  # the broken one has no record to mirror


def test_what_the_flag_cannot_mean_is_refused_before_anything_runs(tmp_path, monkeypatch):
    with pytest.raises(ArgumentError, match="--track must be mlflow, or mlflow:URI"):
        Train(tmp_path / "films.parquet", tmp_path / "out", track="wandb").run()
    with pytest.raises(ArgumentError, match="got 'mlflow:there'"):
        Tracker.of("mlflow:there", experiment="films", folder=tmp_path)
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(MissingExtraError, match=r"medgraft\[mlflow\]"):
        Study(tmp_path / "study.toml", tmp_path / "out", track="mlflow")._tracker()
    assert list(tmp_path.iterdir()) == []
