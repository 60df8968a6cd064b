"""The five ways to go on: each against the table of the paper; candidates that stay together."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medgraft.active.arms import make_arms
from medgraft.active.candidates import Candidates, check_batch
from medgraft.active.continual import FIVE, read_continual
from medgraft.errors import ArgumentError, UnknownNameError

PUBLISHED = {  # PMC8483451, table 2: start weights, and whether L, H, Q are trained on
    "RFT(LQ)": ("first", "LQ"),
    "AFT(LQ)": ("first", "LQ"),
    "ACFT(Q)": ("last", "Q"),
    "ACFT(LQ)": ("last", "LQ"),
    "ACFT(HQ)": ("last", "HQ"),
}


def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("name", PUBLISHED)
@given(st.integers(0, 10**6), st.integers(0, 30), st.integers(1, 9))
def test_every_strategy_is_that_of_the_paper(name, seed, old, bought):
    chance = np.random.default_rng(seed)
    order = chance.permutation(60)
    known, new = order[:old], order[old : old + bought]
    wrong = chance.random(old) < 0.3
    found = read_continual(name)
    start, trained_on = PUBLISHED[name]
    wanted = {"LQ": known, "HQ": known[wrong], "Q": known[:0]}[trained_on]
    assert found.start == start
    assert found.training_set(known, new, wrong, rng()).tolist() == [*wanted, *new]


def test_there_are_no_others_and_the_rate_falls_where_a_model_goes_on():
    assert FIVE.keys() == PUBLISHED.keys()
    assert {name: one.divide for name, one in FIVE.items()} == {
        name: 10 if start == "last" else 1 for name, (start, _) in PUBLISHED.items()
    }
    assert read_continual("ACFT(Q):divide=4").divide == 4


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_rehearsal_adds_a_share_of_what_would_be_left_out_and_nothing_twice(share):
    known, new = np.arange(100, 140), np.array([7, 8])
    wrong = np.arange(40) % 5 == 0
    found = read_continual(f"ACFT(HQ):rehearsal={share}").training_set(known, new, wrong, rng())
    assert len(found) == 8 + share * 32 + 2
    assert len(set(found.tolist())) == len(found)
    assert set(known[wrong]) <= set(found)
    again = read_continual(f"ACFT(HQ):rehearsal={share}").training_set(known, new, wrong, rng())
    assert found.tolist() == again.tolist()


def test_wrong_names_and_options_are_refused():
    with pytest.raises(UnknownNameError, match=r"'ACFT\(QH\)'.* Known: RFT\(LQ\), AFT"):
        read_continual("ACFT(QH)")
    with pytest.raises(ArgumentError, match="rehearsal: input should be less than or equal to 1"):
        read_continual("ACFT(Q):rehearsal=2")
    with pytest.raises(
        ArgumentError, match=r"no option is called 'rate'.*in strategy 'AFT:rate=1'"
    ):
        read_continual("AFT:rate=1")


class TestArms:
    def test_each_strategy_has_its_own_arm_of_chance(self):
        arms = make_arms(["entropy", "margin"], ["ACFT(LQ)", "AFT"])
        assert {arm.reference for arm in arms} == {"random ACFT(LQ)", "RFT(LQ)"}
        assert [arm.name for arm in arms if arm.name == arm.reference] == [
            "random ACFT(LQ)",
            "RFT(LQ)",
        ]

    def test_rft_is_aft_that_buys_at_random_and_stands_once(self):
        names = [arm.name for arm in make_arms(["entropy", "random"], ["AFT(LQ)", "RFT"])]
        assert names == ["entropy AFT(LQ)", "RFT(LQ)"]

    def test_one_acquisition_with_two_settings_is_two_arms(self):
        arms = make_arms(["entropy", "entropy:omega=5"], ["AFT"])
        assert len({arm.folder for arm in arms}) == 3

    def test_what_does_not_exist_is_refused(self):
        with pytest.raises(UnknownNameError, match="no acquisition is called 'entrop'"):
            make_arms(["entrop"], ["AFT"])


class TestCandidates:
    @given(
        st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1, max_size=20),
        st.integers(0, 99),
    )
    def test_a_group_is_bought_as_a_whole_and_rows_without_one_stand_alone(self, groups, seed):
        frame = pl.DataFrame({"video": pl.Series(groups, dtype=pl.String)})
        places = np.sort(
            np.random.default_rng(seed).permutation(len(groups))[: 1 + seed % len(groups)]
        )
        found = Candidates.of(frame, places, "video")
        wanted: dict = {}
        for place in places.tolist():
            wanted.setdefault(groups[place] or place, []).append(place)
        assert [found.of_these([n]).tolist() for n in range(len(found))] == list(wanted.values())
        assert found.sizes.tolist() == [len(one) for one in wanted.values()]
        some = np.random.default_rng(seed).permutation(len(found))[:2]
        both = [place for n in some for place in list(wanted.values())[n]]
        assert found.of_these(some).tolist() == both

    def test_numbers_and_none_at_all_work_too(self):
        frame = pl.DataFrame({"study": [5, 5, 7]})
        assert len(Candidates.of(frame, np.arange(3), "study")) == 2
        assert len(Candidates.of(frame, np.arange(3))) == 3
        assert Candidates.of(frame, np.arange(3)).of_these([]).tolist() == []
        assert Candidates.of(frame, np.arange(3), "study").of_these([]).tolist() == []

    def test_an_unknown_column_and_a_pool_that_is_too_small_are_refused(self):
        frame = pl.DataFrame({"study": [5, 5, 7]})
        with pytest.raises(UnknownNameError, match="Did you mean 'study'"):
            Candidates.of(frame, np.arange(3), "studdy")
        pool = Candidates.of(frame, np.arange(3))
        with pytest.raises(
            ArgumentError, match="not buy more than the 3 candidates of the pool, got 6"
        ):
            check_batch(pool, 2, 2, 2)
        with pytest.raises(ArgumentError, match="at least 2"):
            check_batch(pool, 1, 2, 0)
