"""The area under a learning curve against curves whose area is known, and against scipy."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from medgraft.errors import ArgumentError, ShapeError
from medgraft.evaluate import alc

RISING = st.lists(st.integers(1, 10_000), min_size=2, max_size=12, unique=True).map(sorted)


@pytest.mark.parametrize("log", [False, True])
@settings(max_examples=30)
@given(labels=RISING, height=st.floats(-1, 1))
def test_of_a_constant_curve_is_the_constant(log, labels, height):
    assert alc(labels, [height] * len(labels), log=log) == pytest.approx(height)


@settings(max_examples=30)
@given(RISING)
def test_of_a_line_from_0_to_1_is_a_half_on_its_own_axis(labels):
    along = np.array(labels, dtype=float)
    for log, axis in ((False, along), (True, np.log(along))):
        line = (axis - axis[0]) / (axis[-1] - axis[0])
        assert alc(labels, line, log=log) == pytest.approx(0.5)


@settings(max_examples=20)
@given(RISING, st.integers(0, 99), st.booleans())
def test_is_the_integral_of_the_straight_pieces(labels, seed, log):
    scores = np.random.default_rng(seed).random(len(labels))
    axis = np.log(labels) if log else np.array(labels, dtype=float)
    whole = sum(quad(np.interp, a, b, args=(axis, scores))[0] for a, b in itertools.pairwise(axis))
    assert alc(labels, scores, log=log) == pytest.approx(whole / (axis[-1] - axis[0]), rel=1e-6)


@settings(max_examples=30)
@given(RISING, st.integers(0, 99))
def test_lies_between_the_lowest_and_the_highest_score(labels, seed):
    scores = np.random.default_rng(seed).random(len(labels))
    assert scores.min() - 1e-12 <= alc(labels, scores, log=True) <= scores.max() + 1e-12


def test_an_early_rise_counts_more_on_a_logarithmic_axis():
    labels, early, late = [10, 100, 1000], [0.5, 0.9, 0.9], [0.5, 0.5, 0.9]
    assert alc(labels, early) - alc(labels, late) == pytest.approx(0.2)
    assert alc(labels, early, log=True) - alc(labels, late, log=True) == pytest.approx(0.2)
    assert alc(labels, early, log=True) < alc(labels, early)
    assert alc(labels, [0.5, 0.5, 0.9], log=True) == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("labels", "scores", "log", "error", "said"),
    [
        ([10], [0.5], False, ShapeError, "at least 2 points, got 1"),
        ([10, 20], [0.5], False, ShapeError, "2 rows, got 1"),
        ([10, 10], [0.5, 0.6], False, ArgumentError, "must rise, got 10 and then 10"),
        ([10, 30, 20], [0.5, 0.6, 0.7], False, ArgumentError, "got 30 and then 20"),
        ([0, 10], [0.5, 0.6], True, ArgumentError, "above 0 .* got 0. Leave that point out"),
        ([1, 10], [0.5, np.nan], False, ArgumentError, "score must be finite"),
        ([1, np.inf], [0.5, 0.5], False, ArgumentError, "labels must be finite"),
    ],
)
def test_what_is_no_curve_is_refused(labels, scores, log, error, said):
    with pytest.raises(error, match=said):
        alc(labels, scores, log=log)
