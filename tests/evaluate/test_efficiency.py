"""Learning curves: areas of many, labels needed, savings and wins, each against its definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medgraft.errors import ArgumentError, ShapeError
from medgraft.evaluate.alc import alc, areas
from medgraft.evaluate.efficiency import labels_needed, saving, wins

curves = st.integers(0, 10**6).map(
    lambda seed: (
        np.cumsum(np.random.default_rng(seed).integers(1, 50, 7)),
        np.random.default_rng(seed + 1).random((3, 7)),
    )
)


@given(curves)
def test_areas_of_many_curves_are_those_of_each_and_unknown_where_a_score_is(curve):
    labels, scores = curve
    scores[1, 3] = np.nan
    for log in (False, True):
        found = areas(labels, scores, log=log)
        assert found[[0, 2]] == pytest.approx([alc(labels, scores[n], log=log) for n in (0, 2)])
        assert np.isnan(found[1])


def test_wrong_curves_are_refused():
    for asked in (areas, lambda labels, scores: labels_needed(labels, scores, 0.5)):
        with pytest.raises(ShapeError, match="one score per"):
            asked([5, 6], [0.5, 0.6, 0.7])
        with pytest.raises(ArgumentError, match="must rise"):
            asked([5, 5], [0.5, 0.6])


class TestLabelsNeeded:
    @given(curves, st.floats(0.01, 0.99))
    def test_it_is_the_first_of_many_steps_that_reaches_the_goal(self, curve, goal):
        labels, scores = curve
        steps = np.linspace(labels[0], labels[-1], 20001)
        for found, y in zip(labels_needed(labels, scores, goal), scores, strict=True):
            there = np.flatnonzero(np.interp(steps, labels, y) >= goal)
            if len(there):
                assert found == pytest.approx(steps[there[0]], abs=steps[1] - steps[0] + 1e-9)
            else:
                assert found == np.inf

    def test_each_curve_may_have_its_own_goal_and_what_is_unknown_stays_so(self):
        scores = [[0.5, 0.7], [0.5, 0.7], [np.nan, 0.7], [0.5, 0.7]]
        found = labels_needed([10, 20], scores, [0.6, 0.8, 0.6, np.nan])
        np.testing.assert_allclose(found, [15, np.inf, np.nan, np.nan])

    def test_a_curve_that_begins_there_needs_its_first_labels(self):
        assert labels_needed([10, 20], [0.9, 0.8], 0.85) == 10


class TestSaving:
    def test_half_the_labels_are_a_saving_of_a_half(self):
        assert saving(100, 200, 500) == pytest.approx(0.5)
        assert saving(200, 100, 500) == pytest.approx(-1)

    def test_what_was_not_reached_is_counted_at_the_most_that_was_tried(self):
        assert saving(100, np.inf, 500) == pytest.approx(0.8)
        assert saving(np.inf, 100, 500) == pytest.approx(-4)
        assert np.isnan(saving(np.inf, np.inf, 500))


@given(curves)
def test_wins_of_both_sides_sum_to_one(curve):
    _, scores = curve
    assert wins(scores[0], scores[1]) + wins(scores[1], scores[0]) == pytest.approx(1)
    assert wins(scores[0], scores[0]) == 0.5


def test_wins_are_counted_where_both_curves_are_known():
    assert wins([0.5, np.nan, 0.9], [0.4, 0.1, 0.95]) == 0.5
    assert np.isnan(wins([np.nan], [0.5]))
