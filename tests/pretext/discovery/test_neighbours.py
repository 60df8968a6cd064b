"""The search says what a stable sort of all distances says."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medgraft.errors import ArgumentError, MissingExtraError
from medgraft.pretext.discovery.neighbours import (
    nearest,
    nearest_allowed,
    require_search,
)


def sorted_by_hand(descriptors, queries, count):
    """Every distance in float64, one after the other, sorted by (distance, row)."""
    rows, distances = [], []
    for query in queries.astype(np.float64):
        squares = [float(((row - query) ** 2).sum()) for row in descriptors.astype(np.float64)]
        order = sorted(range(len(squares)), key=lambda n: (squares[n], n))[:count]
        rows.append(order)
        distances.append([squares[n] ** 0.5 for n in order])
    return np.array(rows), np.array(distances)


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_neighbours_are_those_of_a_sort_of_all_distances(offset):
    rng = np.random.default_rng(0)
    descriptors = (rng.normal(size=(300, 17)) + offset).astype(np.float32)
    found = nearest(descriptors, descriptors[:20], 40)
    wanted = sorted_by_hand(descriptors, descriptors[:20], 40)
    assert (found[0] == wanted[0]).all()
    np.testing.assert_allclose(found[1], wanted[1], rtol=1e-12)


def test_a_descriptor_is_its_own_first_neighbour_at_distance_zero():
    descriptors = np.random.default_rng(1).normal(size=(500, 64)).astype(np.float32)
    rows, distances = nearest(descriptors, descriptors, 3)
    assert (rows[:, 0] == np.arange(500)).all()
    assert (distances[:, 0] == 0).all()


def test_more_ties_than_faiss_is_asked_for_come_in_the_order_of_rows():
    descriptors = np.zeros((200, 4), np.float32)
    descriptors[150] = 1.0
    rows, distances = nearest(descriptors, descriptors[:1], 5)
    assert rows.tolist() == [[0, 1, 2, 3, 4]]
    assert (distances == 0).all()


def test_an_outlier_that_swallows_the_precision_of_float32_changes_nothing():
    rng = np.random.default_rng(2)
    descriptors = rng.normal(size=(120, 8)).astype(np.float32) * 1e-3
    descriptors[7] = 1e4
    found = nearest(descriptors, descriptors[:9], 6)[0]
    assert (found == sorted_by_hand(descriptors, descriptors[:9], 6)[0]).all()


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_whole_numbers_with_many_ties_are_sorted_as_by_hand(data):
    count = data.draw(st.integers(2, 90))
    values = data.draw(
        st.lists(st.tuples(*[st.integers(-2, 2)] * 3), min_size=count, max_size=count)
    )
    descriptors = np.array(values, dtype=np.float32)
    wanted = data.draw(st.integers(1, count))
    found = nearest(descriptors, descriptors[:3], wanted)[0]
    assert (found == sorted_by_hand(descriptors, descriptors[:3], wanted)[0]).all()


@pytest.mark.parametrize("count", [0, 6])
def test_a_count_out_of_range_is_refused(count):
    with pytest.raises(ArgumentError, match="from 1 to the number of scans, 5"):
        nearest(np.zeros((5, 2), np.float32), np.zeros((1, 2), np.float32), count)


def test_descriptors_that_are_not_finite_are_refused():
    with pytest.raises(ArgumentError, match="must be finite"):
        nearest(np.full((5, 2), np.nan, np.float32), np.zeros((1, 2), np.float32), 1)


def test_without_faiss_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(MissingExtraError, match=r"pip install \"medgraft\[search\]\""):
        require_search()


@pytest.mark.parametrize("share", [0.9, 0.2])
def test_the_nearest_that_are_allowed_are_those_of_a_sort(share):
    rng = np.random.default_rng(0)
    descriptors = rng.standard_normal((200, 4)).astype(np.float32)
    allowed = rng.random((9, 200)) < share
    rows, distances = nearest_allowed(descriptors, descriptors[:9], 12, allowed)
    order, far = sorted_by_hand(descriptors, descriptors[:9], 200)
    for query, own in enumerate(allowed):
        kept = own[order[query]]
        assert rows[query].tolist() == order[query][kept][:12].tolist()
        np.testing.assert_allclose(distances[query], far[query][kept][:12], rtol=1e-12)
