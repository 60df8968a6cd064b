"""Rules that read a rate off a curve: the contract of the family, and each against its definition."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medgraft.train.lr_find import suggest, usable
from medgraft.train.suggestions import suggestions
from medgraft.train.suggestions.valley import longest_descent

RATES = np.geomspace(1e-7, 10, 100)


def smoothstep(x):
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


def flat_fall_rise(points=100, *, fall=(1e-5, 1e-1), rise=1.0):
    """A loss of 1 that falls to 0.2 between two rates, rises above a third, and ends at 4 x 0.2."""
    rates = np.geomspace(1e-7, 10, points)
    along = (np.log(rates) - np.log(fall[0])) / np.log(fall[1] / fall[0])
    beyond = np.clip(np.log(rates / rise), 0, None)
    losses = 1 - 0.8 * smoothstep(along) + beyond
    kept = (losses <= 0.8) | (along < 1)
    return rates[kept], losses[kept]


@pytest.mark.parametrize("name", suggestions.names())
class TestEveryRule:
    @pytest.mark.parametrize("fall", [(1e-5, 1e-1), (1e-4, 1e-1), (1e-6, 1e-2), (1e-4, 1.0)])
    def test_lies_on_the_falling_part(self, name, fall):
        found = suggest(*flat_fall_rise(fall=fall, rise=10 * fall[1]))[name]
        assert fall[0] < found < fall[1]

    @pytest.mark.parametrize("wrong", [np.nan, np.inf])
    @pytest.mark.parametrize("length", [1, 4, 30])
    def test_ignores_what_follows_a_loss_that_is_not_finite(self, name, wrong, length):
        rates, losses = flat_fall_rise()
        tail = np.concatenate([[wrong], np.zeros(length - 1)])  # zeros would be the minimum
        longer = np.concatenate([rates, np.geomspace(11, 1e3, length)])
        assert suggest(longer, np.append(losses, tail))[name] == suggest(rates, losses)[name]

    @pytest.mark.parametrize("points", range(3, 10))
    def test_works_with_fewer_than_ten_batches(self, name, points):
        chosen = np.linspace(0, len(flat_fall_rise()[0]) - 1, points).astype(int)
        rates, losses = (values[chosen] for values in flat_fall_rise())
        assert rates[0] <= suggest(rates, losses)[name] <= rates[-1]

    def test_answers_with_a_rate_that_was_tried_for_any_curve(self, name):
        rng = np.random.default_rng(0)
        for points in (2, 3, 7, 40, 200):
            rates = np.geomspace(1e-6, 1, points)
            for losses in (rng.random(points), np.ones(points), np.arange(points, 0, -1.0)):
                found = suggestions.get(name)(rates, losses)
                assert type(found) is float
                assert rates[0] <= found <= rates[-1]

    def test_does_not_change_the_curve(self, name):
        rates, losses = flat_fall_rise()
        before = rates.copy(), losses.copy()
        suggestions.get(name)(rates, losses)
        np.testing.assert_array_equal(before, (rates, losses))


def longest_by_trying(losses):
    """Length of the longest strictly decreasing subsequence, among all subsequences."""
    return max(
        size
        for size in range(1, len(losses) + 1)
        for chosen in itertools.combinations(losses, size)
        if all(a > b for a, b in itertools.pairwise(chosen))
    )


@given(st.lists(st.integers(0, 6), min_size=1, max_size=9))
def test_the_descent_is_real_and_none_is_longer(values):
    losses = np.array(values)
    members = longest_descent(losses)
    assert sorted(set(members)) == members
    assert (np.diff(losses[members]) < 0).all()
    assert len(members) == longest_by_trying(values)


def test_valley_begins_where_the_descent_does_even_if_noise_interrupts_it():
    losses = np.array([9.0, 20, 8, 20, 7, 20, 6, 20, 5, 20, 4])
    rates = np.arange(1.0, 12)
    # six members at 0, 2 ... 10; taken as contiguous they would begin at 4 and the answer be 8
    assert suggestions.get("valley")(rates, losses) == rates[6]


def test_one_early_spike_misleads_steep_and_not_valley():
    rates, losses = flat_fall_rise()
    spiked = losses.copy()
    spiked[15] += 2
    one_point = rates[1] / rates[0]
    moved = suggest(rates, spiked)["valley"] / suggest(rates, losses)["valley"]
    assert abs(np.log(moved)) < 1.001 * np.log(one_point)
    assert suggest(rates, spiked)["steep"] == rates[15]


def test_slide_is_the_published_walk():
    def walk(rates, losses):
        slopes, right, left = np.gradient(losses), len(losses) - 1, len(losses) - 16
        found = rates[left]
        while left >= 0 and abs(slopes[right] - slopes[left]) > 0.005:
            found = rates[left]
            right, left = right - 1, left - 1
        return found

    rng = np.random.default_rng(1)
    for noise in (0, 0.001, 0.003, 0.01, 0.1):
        rates, losses = flat_fall_rise()
        losses = losses + noise * rng.standard_normal(len(losses))
        assert suggestions.get("slide")(rates, losses) == walk(rates, losses)


def test_the_first_tenth_and_the_last_five_are_left_out():
    rates, _ = usable(RATES, np.ones(100))
    np.testing.assert_array_equal(rates, RATES[10:95])
