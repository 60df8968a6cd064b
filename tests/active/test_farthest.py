"""Greedy k-centre against the plain algorithm and against scikit-activeml."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skactiveml.pool import CoreSet as Oracle

from medgraft.active.acquisition.core_set import CoreSet
from medgraft.active.evidence import Evidence
from medgraft.active.farthest import farthest_first
from medgraft.errors import EvidenceError


def rng(seed=0):
    return np.random.default_rng(seed)


def plain(features, count, start):
    """The algorithm as it stands: all distances, again and again."""
    x = features.astype(np.float64)
    taken = [start]
    while len(taken) < count:
        nearest = ((x[:, None] - x[taken]) ** 2).sum(axis=2).min(axis=1)
        nearest[taken] = -1
        taken.append(int(nearest.argmax()))
    return taken


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10**6),
    st.integers(1, 60),
    st.sampled_from([1, 3, 8, 4096]),
    st.sampled_from([2, 50, 4096]),
    st.sampled_from([np.float16, np.float32, np.float64]),
)
def test_is_the_plain_algorithm_whatever_the_blocks(seed, points, front, rows, kind):
    chance = rng(seed)
    features = chance.normal(size=(points, 3)).astype(kind)
    count, start = int(chance.integers(1, points + 1)), int(chance.integers(points))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("medgraft.active.farthest.FRONT", front)
        patch.setattr("medgraft.active.distances.ROWS", rows)
        found = farthest_first(features, count, chance, first=start)
    assert found.tolist() == plain(features, count, start)


def test_equal_points_are_taken_once_each():
    features = np.repeat(rng().normal(size=(3, 4)), 5, axis=0)
    found = farthest_first(features, 15, rng())
    assert sorted(found) == list(range(15))
    assert len({i // 5 for i in found[:3]}) == 3


@pytest.mark.parametrize("labelled", [1, 7])
def test_core_set_is_that_of_scikit_activeml(labelled):
    x = rng().normal(size=(120, 6))
    y = np.full(120, np.nan)
    y[:labelled] = 0
    wanted = Oracle(random_state=0).query(x, y, batch_size=25) - labelled
    evidence = Evidence(
        np.full((120 - labelled, 1, 2), 0.5), features=x[labelled:], labelled=x[:labelled]
    )
    assert CoreSet().select(evidence, 25, rng()).tolist() == wanted.tolist()


def test_without_labels_the_first_is_of_chance():
    evidence = Evidence(np.full((30, 1, 2), 0.5), features=rng().normal(size=(30, 2)))
    assert len({int(CoreSet().select(evidence, 1, rng(seed))[0]) for seed in range(60)}) > 15


def test_reads_a_memory_map_of_half_precision_where_it_lies(tmp_path):
    features = rng().normal(size=(300, 8)).astype(np.float16)
    np.save(tmp_path / "x.npy", features)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert farthest_first(mapped, 20, rng(), first=0).tolist() == plain(features, 20, 0)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_feature_that_is_not_finite_is_refused(wrong):
    features = np.zeros((10, 2))
    features[7, 1] = wrong
    with pytest.raises(EvidenceError, match="those of candidate 7"):
        farthest_first(features, 3, rng())
