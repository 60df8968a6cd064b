"""Rank correlation against scipy and its definition, and the front against a loop."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from medgraft.errors import ArgumentError, ShapeError
from medgraft.evaluate.correlation import spearman
from medgraft.evaluate.pareto import on_front
from medgraft.seeds import generator

FEW = st.lists(st.integers(0, 4), min_size=5, max_size=9)


@given(FEW, st.integers(0, 10**6))
def test_rho_and_p_are_those_of_scipy_with_ties(x, seed):
    y = np.random.default_rng(seed).integers(0, 4, len(x)).astype(float)
    found = spearman(x, y, np.empty((len(x), 0)))
    if len(set(x)) == 1 or len(set(y)) == 1:
        assert found.rho is None
        return
    rho, p = spearmanr(x, y)
    assert (found.rho, found.p) == (pytest.approx(rho), pytest.approx(p))


def test_the_interval_is_that_of_a_loop_over_drawn_models_and_patients():
    rng = np.random.default_rng(3)
    x, y = rng.integers(0, 6, 9).astype(float), rng.normal(size=9)
    drawn = y[:, None] + 0.3 * rng.normal(size=(9, 200))
    chosen = generator(5, "models", 9).integers(0, 9, size=(200, 9))
    slow = []
    for r, models in enumerate(chosen):
        xs, ys = x[models], drawn[models, r]
        if len(set(xs)) > 1 and len(set(ys)) > 1:
            slow.append(spearmanr(xs, ys).statistic)
    found = spearman(x, y, drawn, seed=5)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(slow, [0.025, 0.975])))


def test_gains_that_shrink_with_size_have_a_negative_correlation():
    gains = np.array([0.04, 0.03, 0.035, 0.01, 0.0])
    assert spearman([2, 4, 5, 20, 40], gains, np.empty((5, 0))).rho < 0


def test_three_models_and_models_without_scores_are_refused():
    with pytest.raises(ArgumentError, match="at least 4 models, got 3"):
        spearman([1, 2, 3], [1, 2, 3], np.empty((3, 0)))
    with pytest.raises(ShapeError, match="same models"):
        spearman([1, 2, 3, 4], [1, 2, 3, 4], np.empty((3, 0)))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=8))
def test_the_front_holds_those_that_nothing_dominates(pairs):
    scores, speeds = (np.array(column, float) for column in zip(*pairs, strict=True))
    slow = [not any(s >= a and v >= b and (s > a or v > b) for s, v in pairs) for a, b in pairs]
    assert on_front(scores, speeds).tolist() == slow
    many = np.stack([scores, scores[::-1]], axis=1)
    assert on_front(many, speeds)[:, 0].tolist() == slow


def test_what_is_undefined_is_never_on_the_front():
    assert on_front(np.array([np.nan, 0.5]), np.array([9.0, 1.0])).tolist() == [False, True]
    with pytest.raises(ShapeError, match="one speed per model"):
        on_front(np.array([0.1, 0.5]), np.array([9.0]))
