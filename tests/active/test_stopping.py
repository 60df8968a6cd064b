"""Stopping rules: what each promises, and each against its definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from medgraft.active.stopping import Standing, kappa, stopping
from medgraft.errors import ArgumentError
from medgraft.spec import build, write


def rising(count=12):
    """A campaign that gets better with every round, and whose models still change."""
    return [Standing(10 * n, 0.5 + 0.03 * n, None if n == 0 else 0.5) for n in range(count)]


@pytest.mark.parametrize("name", stopping.names())
class TestEveryRule:
    def test_goes_on_while_nothing_is_known(self, name):
        assert build(stopping, name)([]) is None

    def test_goes_on_while_everything_gets_better_and_is_cheap(self, name):
        history = rising()
        assert all(build(stopping, name)(history[:n]) is None for n in range(1, 13))

    def test_stops_in_words_when_nothing_changes_and_all_is_spent(self, name):
        history = rising(3) + [Standing(1000 + n, 0.56, 1.0) for n in range(8)]
        said = build(stopping, name)(history)
        assert said[0].islower()
        assert not said.endswith(".")

    def test_its_spec_comes_back(self, name):
        found = build(stopping, name)
        assert build(stopping, write(name, found)) == found


def stops(text, history):
    """The first round after which a rule stops, from 1; None if it never does."""
    found = build(stopping, text)
    return next((n for n in range(1, len(history) + 1) if found(history[:n])), None)


def test_a_plateau_is_so_many_rounds_without_the_gain():
    scores = [0.6, 0.7, 0.7, 0.701, 0.7, 0.8]
    history = [Standing(n, score) for n, score in enumerate(scores)]
    assert stops("plateau:rounds=3", history) == 5
    assert stops("plateau:rounds=3,gain=0", history[:5]) is None  # 0.701 is a gain
    assert stops("plateau:rounds=1", history) == 3
    assert stops("plateau", [Standing(n) for n in range(9)]) is None  # no validation part


def test_a_budget_is_spent_with_its_last_label():
    history = [Standing(n) for n in (10, 20, 30)]
    assert stops("budget:labels=20", history) == 2
    assert stops("budget:20", history) == 2
    assert stops("budget:labels=31", history) is None


def test_agreement_is_the_mean_of_the_last_rounds():
    history = [Standing(n, None, a) for n, a in enumerate([None, 0.95, 1.0, 1.0, 0.98])]
    assert stops("agreement:rounds=3,kappa=0.983", history) == 4
    assert stops("agreement:rounds=2,kappa=1", history) == 4
    assert stops("agreement", history) == 5  # (1 + 1 + 0.98) / 3 is 0.993


@given(st.integers(0, 10**6), st.integers(2, 5))
def test_kappa_is_that_of_scikit_learn(seed, classes):
    one, two = np.random.default_rng(seed).integers(0, classes, (2, 30))
    two = np.where(np.arange(30) < 20, one, two)
    assert kappa(one, two) == pytest.approx(cohen_kappa_score(one, two))


def test_kappa_of_one_answer_throughout_is_1_and_of_two_is_0():
    ones, zeros = np.ones(5, int), np.zeros(5, int)
    assert kappa(ones, ones) == 1
    assert kappa(ones, zeros) == 0


def test_wrong_options_are_refused():
    with pytest.raises(ArgumentError, match="kappa: input should be less than or equal to 1"):
        build(stopping, "agreement:kappa=1.5")
    with pytest.raises(ArgumentError, match="no option is called 'patience'"):
        build(stopping, "plateau:patience=3")
