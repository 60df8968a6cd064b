"""Vanilla against transfer: what runs, what goes on, what is refused, and what is said."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import accuracy_score, roc_auc_score

from medgraft.cli.__main__ import main
from medgraft.errors import ArgumentError, LeakageError, OutputError, TableError
from medgraft.index import Index
from medgraft.report import write_report, write_transfer
from medgraft.runs import RunFolder
from medgraft.study import launch as module
from medgraft.study.arms import read_arms
from medgraft.study.launch import Job, launch
from medgraft.study.transfer import transfer
from tests.train.conftest import QUICK, make_spots, quick

SMALL = {"after": "layer1", "epochs": 1, "replicates": 0}


def run(index, out, arms="vanilla,head+none", *, seeds=1, finish=str, **changes):
    recipe = quick(**{**SMALL, **changes})
    read = read_arms(arms, weights="none")
    return transfer(index, out, recipe, read, seeds=seeds, command=[], finish=finish)


@pytest.fixture
def spots(tmp_path):
    return make_spots(tmp_path)


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    """Three arms, two seeds, few labels; vanilla and full+none are the same training."""
    folder = tmp_path_factory.mktemp("experiment")
    run(
        make_spots(folder),
        folder / "out",
        "full+none,vanilla,head+none@epochs=2",
        seeds=2,
        labels_per_class=8,
        finish=write_report,
    )
    write_transfer(folder / "out", replicates=100)
    return folder / "out"


def found(out):
    return json.loads((out / "transfer.json").read_text())


def of(items, arm):
    return next(item for item in items if item["arm"] == arm)


def test_each_run_is_an_ordinary_run_folder_with_its_report(experiment):
    names = {f"{arm}-{s}" for arm in ("vanilla", "full+none", "head+none@epochs=2") for s in (0, 1)}
    folders = [path for path in (experiment / "runs").iterdir() if path.is_dir()]
    assert {path.name for path in folders} == names
    for path in folders:
        run_ = RunFolder(path)
        assert json.loads(run_.record.read_text())["status"] == "finished"
        assert run_.report.is_file()


def test_arms_share_the_labels_of_a_seed_and_seeds_draw_others(experiment):
    def labelled(arm, seed):
        rows = pl.read_parquet(RunFolder(experiment / "runs" / f"{arm}-{seed}").index)
        return set(rows.filter(pl.col("split") == "train")["path"])

    assert len(labelled("vanilla", 0)) == 16
    assert labelled("vanilla", 0) == labelled("head+none@epochs=2", 0)
    assert labelled("vanilla", 0) != labelled("vanilla", 1)


def test_means_are_those_of_the_saved_predictions(experiment):
    for arm in found(experiment)["arms"]:
        aurocs, accuracies = [], []
        for seed in (0, 1):
            folder = RunFolder(experiment / "runs" / f"{arm['arm']}-{seed}")
            rows = pl.read_parquet(folder.predictions).filter(pl.col("split") == "test")
            threshold = json.loads(folder.evaluation.read_text())["threshold"]
            truth, score = rows["y_right"].to_numpy(), rows["p_right"].to_numpy()
            aurocs.append(roc_auc_score(truth, score))
            accuracies.append(accuracy_score(truth, score >= threshold))
        for name, values in (("auroc", aurocs), ("accuracy", accuracies)):
            entry = arm["metrics"][name]
            assert entry["value"] == pytest.approx(np.mean(values))
            assert entry["over_seeds"]["sd"] == pytest.approx(np.std(values, ddof=1))
            assert (entry["over_seeds"]["least"], entry["over_seeds"]["largest"]) == (
                pytest.approx(min(values)),
                pytest.approx(max(values)),
            )


def test_the_same_training_differs_by_nothing(experiment):
    one = of(found(experiment)["differences"], "full+none")
    assert {(e["value"], e["low"], e["high"]) for e in one["metrics"].values()} == {(0.0, 0.0, 0.0)}
    assert (one["delong"]["difference"], one["delong"]["p"]) == (0.0, 1.0)


def test_trainable_parameters_and_times_stand_beside_the_arms(experiment):
    answer = found(experiment)
    head = of(answer["arms"], "head+none@epochs=2")
    assert (answer["reference"], answer["arms"][0]["arm"]) == ("vanilla", "vanilla")
    assert head["trainable"] == 64 * 2 + 2
    assert head["settings"] == {"epochs": 2}
    for arm in answer["arms"]:
        times = []
        for one in arm["runs"]:
            record = json.loads((experiment / one["folder"] / "run.json").read_text())
            times.append(record["seconds"]["train"])
        assert arm["seconds"]["mean"] == pytest.approx(np.mean(times))
    vanilla = of(answer["arms"], "vanilla")
    assert vanilla["ratio"]["mean"] == 1
    ratios = [
        b["seconds"] / a["seconds"] for a, b in zip(vanilla["runs"], head["runs"], strict=True)
    ]
    assert head["ratio"]["mean"] == pytest.approx(np.mean(ratios))


def test_the_page_links_to_every_run(experiment):
    page = (experiment / "transfer.html").read_text()
    assert page.count("/report.html") == 6
    assert 'href="runs/head%2Bnone%40epochs%3D2-0/report.html"' in page
    for figure in ("hexagon", "forest"):
        assert (experiment / "figures" / f"{figure}.svg").is_file()


def test_finished_runs_are_not_repeated_and_seeds_and_arms_can_be_added(spots, tmp_path):
    out = tmp_path / "out"
    run(spots, out)
    before = {path: path.stat().st_mtime_ns for path in (out / "runs").glob("*/run.json")}
    outcomes = run(spots, out, "vanilla,head+none,full+none", seeds=2)
    assert [o.failure for o in outcomes] == [None] * 6
    assert len(before) == 2
    assert all(path.stat().st_mtime_ns == when for path, when in before.items())


class Killed(BaseException):
    """Stands for kill -9: nothing in the package catches it."""


def test_after_a_kill_the_same_call_goes_on_with_the_run_that_was_half_way(
    spots, tmp_path, monkeypatch
):
    from medgraft.train import classification

    out, calls = tmp_path / "out", []

    def killed(*_args, **_named):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(classification, "predictions", killed)
        with pytest.raises(Killed):
            run(spots, out)
    assert not (out / "experiment.json").exists()
    real = module.train
    monkeypatch.setattr(
        module, "train", lambda *a, **k: calls.append((a[1].name, k["resume"])) or real(*a, **k)
    )
    run(spots, out)
    assert calls == [("vanilla-0", True), ("head+none-0", False)]
    assert json.loads((out / "runs/vanilla-0/run.json").read_text())["resumed"] == 1
    write_transfer(out, replicates=0)
    assert any("vanilla (seed 0)" in note for note in found(out)["notes"])


def test_a_broken_run_costs_itself_only_and_is_tried_again(spots, tmp_path, monkeypatch, capsys):
    out, real = tmp_path / "out", module.train

    def sometimes(index, folder, *args, **named):
        if folder.name == "head+none-1":
            raise MemoryError("no room for 3 GiB")
        return real(index, folder, *args, **named)

    with monkeypatch.context() as patch:
        patch.setattr(module, "train", sometimes)
        outcomes = run(spots, out, seeds=2)
    assert [o.failure for o in outcomes if o.failure] == ["MemoryError: no room for 3 GiB"]
    assert "head+none-1 broke: MemoryError" in capsys.readouterr().err
    page = write_transfer(out, replicates=0).read_text()
    assert "head+none (seed 1) broke and is left out" in page
    assert of(found(out)["differences"], "head+none")["seeds"] == [0]
    assert not [o for o in run(spots, out, seeds=2) if o.failure]


def test_an_experiment_keeps_its_settings_its_rows_and_its_folder(spots, tmp_path):
    out = tmp_path / "out"
    run(spots, out, "head+none")
    with pytest.raises(ArgumentError, match=r"must keep its settings, but epochs of .*head.none-0"):
        run(spots, out, "head+none", epochs=2)
    index = Index.load(spots)
    index.with_frame(index.frame.filter(pl.col("path") != "images/40.png")).save(spots)
    with pytest.raises(TableError, match="must keep its rows and their split"):
        run(spots, out, "head+none")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").touch()
    with pytest.raises(OutputError, match="holds something else"):
        run(spots, tmp_path / "full", "head+none")


def test_an_index_without_split_is_split_once_for_all_seeds(spots, tmp_path):
    index = Index.load(spots)
    index.with_frame(index.frame.with_columns(pl.lit(None, pl.String).alias("split"))).save(spots)
    out = tmp_path / "out"
    run(spots, out, "head+none", seeds=2)
    tests = [
        set(rows.filter(pl.col("split") == "test")["path"])
        for rows in (
            pl.read_parquet(path) for path in sorted((out / "runs").glob("*/index.parquet"))
        )
    ]
    assert tests[0] == tests[1]
    run(spots, out, "head+none", seeds=2)  # the same split is made again


def test_patients_in_two_parts_are_refused_before_anything_is_trained(spots, tmp_path):
    index = Index.load(spots)
    shared = pl.when(pl.col("patient_id") == "p00").then(pl.lit("p20")).otherwise("patient_id")
    index.with_frame(index.frame.with_columns(shared.alias("patient_id"))).save(spots)
    with pytest.raises(LeakageError):
        run(spots, tmp_path / "out")
    assert not (tmp_path / "out" / "runs").exists()


def test_two_runs_of_one_name_are_refused(spots, tmp_path):
    with pytest.raises(ArgumentError, match="different folders, but two are called 'a'"):
        launch([Job("a", quick()), Job("a", quick())], spots, tmp_path / "runs", command=[])


def flags(**changes):
    settings = {**QUICK, "augment": "films", **SMALL, "weights": "none", **changes}
    return [part for k, v in settings.items() for part in (f"--{k.replace('_', '-')}", str(v))]


def test_the_command_prints_the_answer_and_fails_where_a_run_did(
    spots, tmp_path, monkeypatch, capsys
):
    call = ["transfer", str(spots), "--out", str(tmp_path / "out"), "--seeds", "1"]
    call += ["--arms", "vanilla,head", *flags()]
    assert main(call) == 0
    said = capsys.readouterr().out
    assert found(tmp_path / "out")["answer"] in said
    assert re.search(r"head (has|does not have) a significantly (higher|lower) AUROC", said)
    assert "transfer.html" in said
    monkeypatch.setattr(module, "finished", lambda run: run.path.name.startswith("vanilla"))
    monkeypatch.setattr(module, "_make", lambda *_: "it broke")
    assert main(call) == 2
    assert "1 of 2 runs broke: head-0" in capsys.readouterr().err
    monkeypatch.setattr(module, "finished", lambda _: False)
    assert main(call) == 2
    assert "all 2 broke" in capsys.readouterr().err


@pytest.mark.slow
def test_ctrl_c_stops_and_the_same_command_finishes(spots, tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "medgraft.cli", "transfer", str(spots), "--out", str(out)]
    command += ["--seeds", "1", "--arms", "vanilla,head", *flags(epochs=12, checkpoint_seconds=0)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 120
        while not list(out.glob("runs/*/checkpoint/*/step-*")):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=120)[1]
    assert process.returncode == 130, said
    assert not (out / "transfer.json").exists()
    assert subprocess.run(command).returncode == 0
    assert [arm["seconds"]["mean"] > 0 for arm in found(out)["arms"]] == [True, True]


def test_report_writes_the_page_again_from_what_is_on_disk(experiment, tmp_path):
    folder = shutil.copytree(experiment, tmp_path / "out")
    before = json.loads((folder / "transfer.json").read_text())
    page = (folder / "transfer.html").read_text()
    (folder / "transfer.html").unlink()  # its results say how many replicates there were
    assert main(["report", str(folder)]) == 0
    assert json.loads((folder / "transfer.json").read_text()) == before
    assert (folder / "transfer.html").read_text() == page
