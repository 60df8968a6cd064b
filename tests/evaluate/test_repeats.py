"""Means over seeds and patients at once, and labels that a curve needs, against their definitions."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medgraft.errors import ArgumentError
from medgraft.evaluate.efficiency import labels_needed
from medgraft.evaluate.measure import Measured
from medgraft.evaluate.repeats import minus, over_seeds, share_saved


def test_each_replicate_is_the_mean_of_drawn_seeds_in_that_replicate():
    rng = np.random.default_rng(0)
    runs = [Measured(float(k), rng.normal(size=400) + 100 * k) for k in range(3)]
    found = over_seeds(runs, seed=5)
    assert found.value == 1.0
    for place in range(400):
        possible = {
            round(np.mean([runs[a].drawn[place], runs[b].drawn[place], runs[c].drawn[place]]), 6)
            for a in range(3)
            for b in range(3)
            for c in range(3)
        }
        assert round(found.drawn[place], 6) in possible


def test_the_spread_over_replicates_is_that_of_patients_and_of_seeds():
    """Independent parts: the variance is that of a mean of n drawn seeds plus that of the patients."""
    rng = np.random.default_rng(1)
    patients = rng.normal(scale=0.03, size=200_000)
    runs = [Measured(value, value + patients) for value in (0.1, 0.4, 0.5, 0.9)]
    of_seeds = np.var([0.1, 0.4, 0.5, 0.9]) / 4
    assert np.var(over_seeds(runs).drawn) == pytest.approx(of_seeds + 0.03**2, rel=0.02)


def test_one_seed_leaves_the_patients_alone():
    run = Measured(0.5, np.arange(10.0))
    assert np.array_equal(over_seeds([run]).drawn, run.drawn)


def test_paired_differences_cancel_what_a_seed_does_to_both():
    drawn = np.random.default_rng(2).normal(size=500)
    first = [Measured(k + 0.1, drawn + k + 0.1) for k in range(5)]
    second = [Measured(float(k), drawn + k) for k in range(5)]
    found = over_seeds([minus(a, b) for a, b in zip(first, second, strict=True)])
    assert found.value == pytest.approx(0.1)
    assert np.allclose(found.drawn, 0.1)


def test_a_mean_of_nothing_is_refused():
    with pytest.raises(ArgumentError, match="at least one run"):
        over_seeds([])


def needed(scores, labels, goal):
    """The definition: walk along the curve until it is there."""
    if scores[0] >= goal:
        return labels[0]
    for (a, b), (x, y) in zip(pairwise(labels), pairwise(scores), strict=True):
        if y >= goal:
            return math.exp(math.log(a) + (goal - x) / (y - x) * (math.log(b) - math.log(a)))
    return math.inf


@given(
    st.lists(st.floats(0, 1), min_size=4, max_size=4),
    st.floats(0, 1),
)
def test_labels_needed_are_where_the_curve_first_crosses(scores, goal):
    labels = [10, 25, 50, 100]
    found = labels_needed(labels, np.array([scores]), np.array([goal]), log=True)[0]
    assert found == pytest.approx(needed(scores, labels, goal))


def test_the_share_saved_is_between_nothing_and_what_was_tried():
    scores = np.array([[0.9, 0.9], [0.1, 0.2], [0.5, 0.7], [np.nan, 0.7]])
    found = share_saved(scores, [10, 100], np.full(4, 0.7), 100)
    assert found[:3] == pytest.approx([0.9, 0, 0])
    assert np.isnan(found[3])


@pytest.mark.parametrize("labels", [[10, 10], [20, 10], [0, 10]])
def test_labels_that_do_not_rise_from_above_zero_are_refused(labels):
    with pytest.raises(ArgumentError, match=r"must (rise|be above 0)"):
        share_saved(np.zeros((1, 2)), labels, np.zeros(1), 10)
