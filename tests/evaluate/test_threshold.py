"""Thresholds against a search through every one."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from medgraft.errors import ArgumentError, UndefinedMetricError
from medgraft.evaluate import choose_threshold, choose_thresholds, recall, specificity

ROWS = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.25, 0.3, 0.6, 0.9, 1.0])),
    min_size=2,
    max_size=25,
)


def split(rows):
    truth, score = (np.array(column) for column in zip(*rows, strict=True))
    assume(0 < truth.sum() < len(truth))
    return truth, score


@given(rows=ROWS)
@settings(max_examples=150, deadline=None)
def test_youden_is_reached_by_no_other_threshold_and_misses_fewest(rows):
    truth, score = split(rows)
    chosen = choose_threshold(truth, score, "youden")

    def youden(threshold):
        called = score >= threshold
        return recall(truth, called) + specificity(truth, called) - 1

    best = max(youden(threshold) for threshold in [*score, 2.0])
    assert youden(chosen) == pytest.approx(best)
    assert all(
        youden(t) < best - 1e-12
        for t in score
        if t < chosen and (score >= t).sum() > (score >= chosen).sum()
    )


@given(rows=ROWS, target=st.sampled_from([0.1, 0.5, 0.8, 0.95, 1.0]))
@settings(max_examples=150, deadline=None)
def test_a_fixed_sensitivity_is_reached_and_a_higher_threshold_misses_it(rows, target):
    truth, score = split(rows)
    chosen = choose_threshold(truth, score, f"sensitivity:{target}")
    assert recall(truth, score >= chosen) >= target
    higher = [t for t in score if t > chosen and (score >= t).sum() < (score >= chosen).sum()]
    assert all(recall(truth, score >= t) < target for t in higher)


@given(rows=ROWS, target=st.sampled_from([0.1, 0.5, 0.8, 0.95, 1.0]))
@settings(max_examples=150, deadline=None)
def test_a_fixed_specificity_is_reached_and_a_lower_threshold_misses_it(rows, target):
    truth, score = split(rows)
    chosen = choose_threshold(truth, score, f"specificity:{target}")
    assert specificity(truth, score >= chosen) >= target
    lower = [t for t in score if t < chosen and (score >= t).sum() > (score >= chosen).sum()]
    assert all(specificity(truth, score >= t) < target for t in lower)


def test_rounding_the_scores_to_single_precision_moves_no_row_across():
    rng = np.random.default_rng(0)
    truth = rng.random(500) < 0.4
    score = rng.random(500)
    chosen = choose_threshold(truth, score)
    np.testing.assert_array_equal(score >= chosen, score.astype(np.float32) >= chosen)


def test_neighbouring_floats_are_still_parted():
    low = 0.5
    high = np.nextafter(low, 1)
    assert choose_threshold([0, 1], [low, high]) == high


def test_equal_scores_call_every_row_positive():
    assert choose_threshold([0, 1, 1], [0.3, 0.3, 0.3]) == 0.3


@pytest.mark.parametrize("rule", ["0.25", 0.25])
def test_a_number_is_itself_whatever_the_rows(rule):
    assert choose_threshold([1, 1], [0.2, 0.4], rule) == 0.25


@pytest.mark.parametrize(
    "rule",
    [
        "yuden",
        "sensitivity",
        "sensitivity:",
        "sensitivity:0",
        "sensitivity:1.2",
        "specificity:x",
        "nan",
        "inf",
        "youden:2",
        "",
    ],
)
def test_what_is_no_rule_is_refused_with_the_rules(rule):
    with pytest.raises(ArgumentError, match="youden, sensitivity"):
        choose_threshold([0, 1], [0.2, 0.4], rule)


def test_one_class_chooses_nothing():
    with pytest.raises(UndefinedMetricError, match="the 2 rows are all positive"):
        choose_threshold([1, 1], [0.2, 0.4])


def test_of_several_labels_one_without_both_classes_is_given_the_middle_and_a_note():
    chosen, notes = choose_thresholds(
        [[0, 0], [1, 0], [np.nan, -1]],
        [[0.2, 0.1], [0.6, 0.1], [0.9, 0.9]],
        names=["a", "b"],
        kind="independent",
    )
    assert chosen == {"a": pytest.approx(0.4), "b": 0.5}
    assert len(notes) == 1
    assert "'b'" in notes[0]


def test_two_exclusive_classes_have_one_threshold_and_three_have_none():
    two = {"names": ["well", "ill"], "kind": "exclusive"}
    assert choose_thresholds([0, 1], [0.2, 0.6], **two)[0] == {"ill": pytest.approx(0.4)}
    assert choose_thresholds([0, 1, 2], np.eye(3), names=["a", "b", "c"], kind="exclusive") == (
        {},
        [],
    )
