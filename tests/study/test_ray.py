"""A study on a cluster of two nodes, one of which dies."""

import json
import os
import signal
import socket
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

from medgraft import __version__
from medgraft.cli.study import Study
from medgraft.cluster import Cluster, connected
from medgraft.errors import ArgumentError, OutputError, WorkerError
from medgraft.report import write_study
from medgraft.study import launch as launching
from medgraft.study import work
from medgraft.study.file import StudyFile
from medgraft.study.launch import Job, Spread
from medgraft.study.launchers import Places, launchers
from medgraft.study.launchers.ray import alone, make_on_node
from medgraft.study.study import run_study
from medgraft.train.recipe import Recipe
from tests.study import made
from tests.study.test_launchers import wait_until
from tests.train.conftest import make_spots

STUDY = StudyFile(
    recipe={
        "size": 32,
        "epochs": 2,
        "batch_size": 8,
        "precision": "float32",
        "memory_format": "contiguous",
        "replicates": 0,
        "backbone": "mobilenetv3_small_100",
        "after": "block1",
    },
    axes={"seed": [0, 1, 2]},
    replicates=20,
)


def on(nodes, folder):
    return Spread(launchers.get("ray"), Places.on(Cluster(nodes.address), folder / "logs"))


@pytest.mark.slow
def test_a_study_survives_the_death_of_a_node_and_has_every_run_once(
    two_nodes, tmp_path, monkeypatch
):
    monkeypatch.setattr(launching, "train", made.train_until_killed)
    index = make_spots(tmp_path)
    (raylet,) = two_nodes.doomed.all_processes["raylet"]
    (tmp_path / made.DOOMED).write_text(str(raylet.process.pid))

    def study():
        return run_study(
            STUDY,
            tmp_path,
            index,
            tmp_path / "out",
            command=[],
            finish=made.finish,
            spread=on(two_nodes, tmp_path / "out"),
        )

    def kill():
        wait_until(lambda: list(tmp_path.glob("out/runs/*/waits")), seconds=300)
        two_nodes.remove_node(two_nodes.doomed, allow_graceful=False)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    outcomes = study()
    killer.join()
    assert [o.failure for o in outcomes] == [None] * 3
    (again,) = (o for o in outcomes if o.attempts == 2)
    assert [o.attempts for o in outcomes if o is not again] == [1, 1]
    record = json.loads((again.folder / "run.json").read_text())
    assert (record["resumed"], record["status"]) == (1, "finished")
    write_study(tmp_path / "out")
    scores = pl.read_parquet(tmp_path / "out" / "study.parquet").filter(kind="score")
    assert sorted(scores.filter(pl.col("label").is_null(), what="run")["seed"]) == [0, 1, 2]
    assert [o.attempts for o in study()] == [0, 0, 0]


@pytest.mark.slow
def test_ctrl_c_has_runs_on_a_cluster_save_and_the_next_call_goes_on(two_nodes, tmp_path):
    def call():
        return launching.launch(
            [Job("waits", Recipe(seed=made.WAITS), make=made.make)],
            tmp_path / "index.parquet",
            tmp_path / "runs",
            command=[],
            finish=made.finish,
            spread=on(two_nodes, tmp_path),
        )

    run = tmp_path / "runs" / "waits"

    def interrupt():
        wait_until((run / "recipe.yaml").is_file, seconds=300)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        call()
    assert (run / "saved").is_file()
    assert not (run / "run.json").exists()
    assert [o.failure for o in call()] == [None]
    assert [line.split()[0] for line in (run / "begun").read_text().splitlines()] == [
        "False",
        "True",
    ]


# --- what a node does, without Ray -------------------------------------------------------------


def asked(folder, **changed):
    (folder / "logs").mkdir(exist_ok=True)
    (folder / "logs" / "cluster").write_text("token")
    recipe = Recipe(seed=7)
    told = work.told(
        made.make, made.finish, recipe, index=folder / "i", out=folder / "run", command=[]
    )
    return {
        "told": told,
        "log": str(folder / "logs" / "run.log"),
        "mark": str(folder / "logs" / "cluster"),
        "token": "token",
        "medgraft": __version__,
        **changed,
    }


def failure(asked):
    return json.loads(make_on_node(json.dumps(asked)))["failure"]


def test_a_node_makes_a_run_once_however_often_it_is_sent(tmp_path):
    assert [failure(asked(tmp_path)) for _ in range(2)] == [None, None]
    assert len((tmp_path / "run" / "begun").read_text().splitlines()) == 1
    assert (tmp_path / "run" / "report.html").is_file()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"token": "of another folder with this path"}, "storage that all nodes share"),
        ({"mark": "/nowhere/at/all"}, "storage that all nodes share"),
        ({"medgraft": "0.0.0"}, "one version of medgraft, 0.0.0, and the node"),
    ],
)
def test_a_node_that_is_not_set_up_refuses_and_writes_nothing(tmp_path, changed, words):
    assert words in failure(asked(tmp_path, **changed))
    assert not (tmp_path / "run").exists()


def test_a_run_waits_for_the_writer_before_it_and_names_one_that_stays(tmp_path):
    lock = tmp_path / "run.lock"
    with alone(lock), pytest.raises(OutputError, match="one process at a time"), alone(lock, 0):
        pass
    entered = []

    def second():
        with alone(lock, 300):
            entered.append(time.monotonic())

    with alone(lock):
        thread = threading.Thread(target=second)
        thread.start()
        left = time.monotonic()
    thread.join()
    assert entered[0] >= left


# --- what a cluster holds ----------------------------------------------------------------------


def nodes(*resources):
    found = [{"Alive": True, "Resources": one} for one in resources]
    return SimpleNamespace(nodes=lambda: [*found, {"Alive": False, "Resources": {"CPU": 64.0}}])


def test_room_is_what_fits_on_each_node_alone():
    here = nodes({"CPU": 8.0, "GPU": 2.0}, {"CPU": 3.0}, {"CPU": 1.0, "GPU": 8.0})
    assert Cluster(cpus=2).room(here) == 4 + 1
    assert Cluster(gpus=1).room(here) == 2 + 1
    assert Cluster(gpus=0.1).room(here) == 8 + 1
    assert Cluster(cpus=4, gpus=1).room(here) == 2
    with pytest.raises(ArgumentError, match="16 CPUs and 0 GPUs for a process, and the largest"):
        Cluster(cpus=16).room(here)


def test_what_cannot_be_is_refused():
    with pytest.raises(ArgumentError, match="--gpus must be a whole number, or a part"):
        Cluster(gpus=1.5)
    with pytest.raises(ArgumentError, match="--threads must be at least 1"):
        Cluster(cpus=0)
    with pytest.raises(ArgumentError, match="--workers must be at least 1"):
        Places.on(Cluster("auto"), Path(), workers=0)


def test_gpus_are_hidden_from_runs_that_ask_for_none():
    assert Cluster().needs["runtime_env"]["env_vars"]["CUDA_VISIBLE_DEVICES"] == ""
    needs = Cluster(cpus=3, gpus=0.5).needs
    assert needs["runtime_env"]["env_vars"]["OMP_NUM_THREADS"] == "3"
    assert "CUDA_VISIBLE_DEVICES" not in needs["runtime_env"]["env_vars"]


def test_an_address_where_nobody_answers_is_refused_at_once(ray_here):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with (
        pytest.raises(WorkerError, match=r"none does: .*refused"),
        connected(Cluster(f"127.0.0.1:{port}")),
    ):
        pass
    with pytest.raises(ArgumentError, match="HOST:PORT"), connected(Cluster("ray://here")):
        pass


def test_flags_of_a_cluster_belong_to_ray(tmp_path):
    study = tmp_path / "study.toml"
    study.write_text('index = "none.parquet"\n[axes]\nseed = [0]\n')
    with pytest.raises(ArgumentError, match="--address belongs to --launch ray, got auto"):
        Study(study, tmp_path / "out", address="auto").run()
    with pytest.raises(ArgumentError, match="--gpus belongs to --launch ray, got 1"):
        Study(study, tmp_path / "out", gpus=1, launch="torchrun").run()
