"""A crew on a cluster: every task is answered once, and what dies costs little."""

import numpy as np
import pytest

from medgraft import pool
from medgraft.cli._nodes import Nodes
from medgraft.cluster import TRIES, Cluster, Crew, _Chunks, connected
from medgraft.errors import ArgumentError


@pytest.fixture(scope="module")
def crew(two_nodes):
    """One process on a node that lives."""
    cluster = Cluster(two_nodes.address)
    with connected(cluster) as ray:
        hired = Crew(ray, cluster, 1, packages=("tests",))
        yield hired
        hired.close()


def done(crew, work, tasks, **options):
    """What became of the tasks of the pool's tests, by place; each place once."""
    replies = list(crew.do(f"tests.pool_work:{work}", tasks, **{"settings": {}, **options}))
    assert sorted(reply.place for reply in replies) == list(range(len(tasks)))
    return {reply.place: reply for reply in replies}


@pytest.mark.slow
class TestCrew:
    def test_answers_and_arrays_arrive_as_they_were(self, crew):
        got = done(crew, "squaring", range(50), settings={"offset": 1}, chunk=7)
        assert {k: reply.said for k, reply in got.items()} == {k: k * k + 1 for k in range(50)}
        with pool.spread(
            "tests.pool_work:counting_arrays",
            range(20),
            what="count",
            workers=0,
            packages=("tests",),
        ) as local:
            here = {reply.place: reply for reply in local}
        for place, reply in done(crew, "counting_arrays", range(20), chunk=3).items():
            assert reply.said == here[place].said
            if here[place].array is None:
                assert reply.array is None
            else:
                assert reply.array.dtype == here[place].array.dtype
                np.testing.assert_array_equal(reply.array, here[place].array)

    def test_a_task_that_kills_every_process_costs_its_neighbours_nothing(self, crew):
        got = done(crew, "suffering", ["a", "killed", "b", "c"], chunk=4)
        assert [got[k].said for k in (0, 2, 3)] == ["a", "b", "c"]
        assert got[1].failure[0].startswith(f"the process that was at it died {TRIES} times")

    def test_what_the_work_refuses_is_refused_here(self, crew):
        with pytest.raises(ArgumentError, match="never so"):
            done(crew, "refusing", [1], settings={"message": "never so"})
        assert done(crew, "echoing", [1])[0].said == 1

    def test_the_pool_has_its_work_done_there_but_what_must_be_done_here(self, crew):
        def processes(workers):
            with pool.spread(
                "tests.pool_work:looking_around",
                [0] * 3,
                what="look",
                workers=workers,
                packages=("tests",),
            ) as replies:
                return {reply.said["pid"] for reply in replies}

        with pool.elsewhere(crew):
            there, here = processes(None), processes(0)
        assert not there & here
        assert processes(0) == here


# --- without Ray -------------------------------------------------------------------------------


def test_chunks_of_the_dead_are_tried_alone_and_then_fail():
    chunks = _Chunks("abcdef", 3)
    first = chunks.take(suspects=True)
    assert (first.first, first.tasks, len(chunks)) == (0, "abc", 3)
    error = RuntimeError("the node is gone\nand more")
    assert list(chunks.again(first, error)) == []
    assert chunks.take(suspects=False).tasks == "def"
    assert chunks.take(suspects=False) is None
    singly = [chunks.take(suspects=True) for _ in range(3)]
    assert [(one.first, list(one.tasks), one.deaths) for one in singly] == [
        (k, [letter], 1) for k, letter in enumerate("abc")
    ]
    assert len(chunks) == 0
    assert list(chunks.again(singly[1], error)) == []
    (failed,) = chunks.again(chunks.take(suspects=True), error)
    assert (failed.place, failed.failure[0]) == (
        1,
        f"the process that was at it died {TRIES} times (the node is gone)",
    )


@pytest.mark.parametrize("flag", ["address", "cpus", "gpus", "processes"])
def test_flags_of_a_cluster_are_refused_without_ray(flag):
    value = "auto" if flag == "address" else 1
    with (
        pytest.raises(ArgumentError, match=f"--{flag} belongs to --ray"),
        Nodes(**{flag: value}).crew(),
    ):
        pass


def test_without_ray_work_is_done_here():
    with Nodes().crew() as crew:
        assert crew is None
    with (
        pytest.raises(ArgumentError, match="--processes must be at least 1"),
        Nodes(ray=True, processes=0).crew(),
    ):
        pass
