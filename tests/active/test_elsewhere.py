"""Images that pass on a cluster: what comes back is what one process computes."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from medgraft.active.elsewhere import OnNodes, passed, passing_by
from medgraft.active.trunk import Passing, fingerprint
from medgraft.cluster import Cluster, Crew, connected
from medgraft.errors import OutputError, StoreError, WorkerError
from medgraft.pool import Reply, spread
from tests.active.conftest import make_learner, play

WORK = "medgraft.active.elsewhere:passed"


class Here:
    """A crew that is this process; answers come in another order, what was sent is kept."""

    def __init__(self):
        self.sent = []

    def do(self, work, tasks, *, settings):
        self.sent += json.loads(json.dumps(list(tasks)))
        with spread(work, tasks, what="pass", settings=settings, workers=0) as replies:
            yield from reversed(list(replies))


@pytest.fixture
def passing(spots, tmp_path):
    """A backbone of random weights, with views, and the archive of the spots."""
    learner, _ = make_learner(
        spots, tmp_path / "out", strategy="full", augment=["films"], weights="none"
    )
    return replace(learner.model.trunk, seed=5)


def together(passing, places, view=None):
    """Maps of all places, in their order."""
    found = {part.start: maps.numpy() for part, maps in passing.maps(places, view)}
    return np.concatenate([found[start] for start in sorted(found)])


def check_same(passing, crew, folder, monkeypatch):
    monkeypatch.setattr("medgraft.train.supervised.MOST", 7)  # several batches
    places = np.arange(len(passing.data.stored))[::-1].copy()
    far = replace(passing, elsewhere=OnNodes(crew, folder))
    for view in (None, 3):
        np.testing.assert_array_equal(together(far, places, view), together(passing, places, view))


def test_maps_are_those_of_one_process_to_the_bit_and_places_alone_are_sent(
    passing, tmp_path, monkeypatch
):
    here = Here()
    check_same(passing, here, tmp_path / "nodes", monkeypatch)
    assert {key for task in here.sent for key in task} == {"view", "autocast", "places"}
    assert len(here.sent) > 3
    (rows,) = tmp_path.glob("nodes/*/rows.parquet")
    assert "side" not in pl.read_parquet(rows).columns  # no label leaves


@pytest.mark.slow
def test_real_nodes_give_the_bits_of_one_process(two_nodes, passing, tmp_path, monkeypatch):
    cluster = Cluster(two_nodes.address)
    with connected(cluster) as ray:
        crew = Crew(ray, cluster, 1)
        check_same(passing, crew, tmp_path / "nodes", monkeypatch)
        crew.close()


def test_a_simulation_whose_images_pass_elsewhere_asks_for_the_same_labels(spots, tmp_path):
    few = {"seeds": 1, "rounds": 1, "strategies": ("AFT",), "acquisitions": ("entropy",)}
    near, here = play(spots, tmp_path / "near", settings=few), Here()
    with passing_by(here, tmp_path / "nodes") as nodes:
        far = play(spots, tmp_path / "far", settings=few, elsewhere=nodes)
    tables = [path.relative_to(near) for path in near.glob("runs/*/*/*.parquet")]
    assert tables
    for table in tables:
        assert pl.read_parquet(near / table).equals(pl.read_parquet(far / table))
    assert here.sent
    assert not (tmp_path / "nodes").exists()


def test_only_the_backbone_that_passes_lies_there(passing, tmp_path):
    nodes = OnNodes(Here(), tmp_path / "nodes")
    together(replace(passing, elsewhere=nodes), np.arange(4))
    moved = next(passing.predictor.network.backbone.parameters())
    moved.data += 1
    together(replace(passing, elsewhere=nodes), np.arange(4))
    assert [one.name for one in (tmp_path / "nodes").iterdir()] == [fingerprint(passing)]


def test_a_node_that_does_not_see_what_was_written_refuses(passing, tmp_path):
    folder = OnNodes(Here(), tmp_path / "nodes")._written(passing)
    with (
        pytest.raises(StoreError, match="the same images and weights"),
        passed(str(folder), "0" * 16),
    ):
        pass
    with pytest.raises(OutputError, match="storage that all nodes share"), passed("/nowhere", ""):
        pass


def test_images_that_pass_nowhere_end_the_call(passing, tmp_path):
    class Dead:
        def do(self, work, tasks, *, settings):
            yield Reply(0, failure=("it died", "nothing"))

    with pytest.raises(WorkerError, match=r"must pass on some node, and do not: .*it died"):
        together(replace(passing, elsewhere=OnNodes(Dead(), tmp_path / "nodes")), np.arange(4))


def test_heads_that_pool_otherwise_pass_too(spots, tmp_path, monkeypatch):
    learner, _ = make_learner(spots, tmp_path / "out", strategy="two-phase", weights="none")
    trunk = learner.model.trunk
    assert isinstance(trunk, Passing)
    monkeypatch.setattr("medgraft.train.supervised.MOST", 7)
    far = replace(trunk, elsewhere=OnNodes(Here(), tmp_path / "nodes"))
    places = np.arange(9)
    np.testing.assert_array_equal(together(far, places), together(trunk, places))
    assert together(far, places).shape[1] == 2 * learner.predictor.network.backbone.out_channels
