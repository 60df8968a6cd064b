"""From scores to a choice: the best, and the draw of the journal."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medgraft.active.selecting import best, drawn, odds, spread
from medgraft.errors import ArgumentError, EvidenceError


def rng(seed=0):
    return np.random.default_rng(seed)


falling = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30).map(
    lambda values: np.sort(np.array(values))[::-1]
)


class TestOdds:
    def test_of_the_journals_example(self):
        np.testing.assert_allclose(odds(np.array([9.0, 7, 5, 3, 1])), [0.4, 0.3, 0.2, 0.1, 0])

    @settings(max_examples=30)
    @given(falling)
    def test_sum_to_one_and_fall_with_the_score(self, scores):
        found = odds(scores)
        assert found.sum() == pytest.approx(1)
        assert (found >= 0).all()
        assert (np.diff(found) <= 1e-12).all()

    @settings(max_examples=30)
    @given(falling.filter(lambda scores: scores[0] - scores[-1] > 1e-6))
    def test_leave_the_last_none(self, scores):
        assert odds(scores)[-1] == 0

    def test_of_equal_scores_are_equal(self):
        np.testing.assert_allclose(odds(np.full(7, 3.0)), 1 / 7)


class TestBest:
    def test_takes_the_highest_best_first(self):
        scores = rng().permutation(50).astype(float)
        assert scores[best(scores, 5, rng())].tolist() == [49, 48, 47, 46, 45]

    def test_equal_scores_come_by_chance_and_not_by_place(self):
        firsts = {int(best(np.zeros(10), 1, rng(seed))[0]) for seed in range(200)}
        assert firsts == set(range(10))

    @pytest.mark.parametrize("wrong", [np.nan, np.inf])
    def test_a_score_that_is_not_finite_is_refused(self, wrong):
        with pytest.raises(EvidenceError, match=f"finite, got {wrong} for candidate 1"):
            best(np.array([1.0, wrong]), 1, rng())


class TestDrawn:
    @settings(max_examples=60)
    @given(
        st.lists(st.sampled_from([0.0, 1.0, 2.0, 5.5]), min_size=1, max_size=40),
        st.integers(1, 40),
        st.integers(1, 9),
        st.integers(0, 99),
    )
    def test_chooses_distinct_ones_of_the_short_list(self, scores, budget, omega, seed):
        scores, budget = np.array(scores), min(budget, len(scores))
        chosen = drawn(scores, budget, rng(seed), omega=omega)
        assert len(set(chosen.tolist())) == budget
        assert (np.diff(scores[chosen]) <= 0).all()
        listed = np.sort(scores)[::-1][: omega * budget]
        assert (scores[chosen] >= listed[-1]).all()
        again = drawn(scores, budget, rng(seed), omega=omega)
        assert chosen.tolist() == again.tolist()

    def test_omega_of_one_takes_the_best(self):
        scores = rng().normal(size=60)
        for seed in range(5):
            assert set(drawn(scores, 6, rng(seed), omega=1)) == set(best(scores, 6, rng()))

    def test_a_pool_smaller_than_the_short_list_is_all_on_it(self):
        scores = np.arange(6.0)
        seen = {int(i) for seed in range(300) for i in drawn(scores, 2, rng(seed), omega=5)}
        assert seen == {1, 2, 3, 4, 5}  # the last has no chance

    def test_draws_as_often_as_the_odds_say(self):
        scores, draws = np.array([9.0, 7, 5, 3, 1]), 4000
        chance = rng()
        counts = np.bincount(
            [drawn(scores, 1, chance, omega=5)[0] for _ in range(draws)], minlength=5
        )
        expected = draws * np.array([0.4, 0.3, 0.2, 0.1, 0])
        spread = np.sqrt(expected * (1 - expected / draws))
        assert (np.abs(counts - expected) <= 4 * spread).all()

    def test_draws_a_set_as_numpy_does_one_after_the_other(self):
        scores, draws = np.array([9.0, 7, 5, 3, 1, 0.5]), 4000
        own, other = rng(1), rng(2)
        found = np.zeros(6)
        wanted = np.zeros(6)
        for _ in range(draws):
            found[drawn(scores, 3, own, omega=2)] += 1
            wanted[other.choice(6, size=3, replace=False, p=odds(scores))] += 1
        assert np.abs(found - wanted).max() < 5 * np.sqrt(draws / 2)

    def test_equal_scores_are_drawn_alike(self):
        chance = rng()
        counts = np.zeros(10)
        for _ in range(2000):
            counts[drawn(np.zeros(10), 2, chance, omega=5)] += 1
        assert np.abs(counts - 400).max() < 4 * np.sqrt(400 * 0.8)

    def test_a_budget_beyond_the_pool_is_refused(self):
        with pytest.raises(ArgumentError, match=r"budget must be in \[1, 3\].*got 4"):
            drawn(np.zeros(3), 4, rng(), omega=5)


class TestSpread:
    def test_avoids_what_looks_alike(self):
        scores = np.array([0.9, 0.89, 0.88, 0.8, 0.7, 0.1])
        features = np.array([[0.0], [0.01], [0.02], [5.0], [10.0], [99.0]])
        assert best(scores, 3, rng()).tolist() == [0, 1, 2]
        assert spread(scores, features, 3, rng(), omega=2).tolist() == [0, 4, 5]
        assert spread(scores[:5], features[:5], 3, rng(), omega=5).tolist() == [0, 3, 4]

    def test_avoids_what_is_labelled(self):
        scores, features = np.array([0.9, 0.8, 0.7]), np.array([[0.0], [5.0], [9.0]])
        labelled = np.array([[0.1], [9.1]])
        assert spread(scores, features, 1, rng(), omega=3, labelled=labelled).tolist() == [1]

    def test_never_leaves_the_short_list(self):
        scores, features = rng().random(50), rng(1).normal(size=(50, 3))
        listed = set(best(scores, 12, rng()).tolist())
        assert set(spread(scores, features, 4, rng(), omega=3).tolist()) <= listed
