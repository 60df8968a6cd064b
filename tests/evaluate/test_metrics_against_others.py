"""Metrics against scikit-learn, scipy and values worked out by hand."""

import numpy as np
import pytest
import sklearn.metrics as theirs
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from medgraft import evaluate as ours
from medgraft.errors import UndefinedMetricError

COUNTS = st.lists(st.integers(0, 3), min_size=12, max_size=12)


def table(digits, rows=300, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.random(rows) < 0.3
    score = np.clip(rng.normal(0.35 + 0.3 * truth, 0.2), 0, 1).round(digits)
    return truth, score, rng.integers(0, 4, rows)


@pytest.mark.parametrize("digits", [1, 2, 12])
def test_scores_equal_scikit_learn_with_counts_as_weights(digits):
    truth, score, often = table(digits)
    pairs = [
        (ours.auroc, theirs.roc_auc_score),
        (ours.average_precision, theirs.average_precision_score),
        (ours.brier, theirs.brier_score_loss),
    ]
    for mine, other in pairs:
        assert mine(truth, score) == pytest.approx(other(truth, score), abs=1e-12)
        expected = other(truth, score, sample_weight=often)
        assert mine(truth, score, weights=often) == pytest.approx(expected, abs=1e-12)


def test_decisions_equal_scikit_learn_with_counts_as_weights():
    truth, score, often = table(2)
    called = score >= 0.5
    pairs = [
        (ours.accuracy, theirs.accuracy_score, {}),
        (ours.recall, theirs.recall_score, {}),
        (ours.precision, theirs.precision_score, {}),
        (ours.specificity, theirs.recall_score, {"pos_label": 0}),
        (ours.f1, theirs.f1_score, {}),
        (ours.f2, theirs.fbeta_score, {"beta": 2}),
        (ours.f05, theirs.fbeta_score, {"beta": 0.5}),
    ]
    for mine, other, options in pairs:
        expected = other(truth, called, sample_weight=often, **options)
        assert mine(truth, called, weights=often) == pytest.approx(expected, abs=1e-12)


def test_auroc_is_the_statistic_of_mann_and_whitney():
    truth, score, _ = table(1)
    statistic = mannwhitneyu(score[truth], score[~truth]).statistic
    assert ours.auroc(truth, score) == pytest.approx(statistic / (truth.sum() * (~truth).sum()))


def test_auroc_of_equal_scores_is_exactly_one_half():
    assert ours.auroc(np.arange(999) < 100, np.full(999, 0.3)) == 0.5


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 999), scale=st.floats(0.01, 50), shift=st.floats(-9, 9))
def test_order_metrics_do_not_change_under_rising_functions(seed, scale, shift):
    truth, score, _ = table(1, rows=40, seed=seed)
    assume(0 < truth.sum() < 40)
    for metric in (ours.auroc, ours.average_precision):
        value = metric(truth, score)
        assert metric(truth, scale * score + shift) == pytest.approx(value, abs=1e-12)
        assert metric(truth, np.exp(score)) == pytest.approx(value, abs=1e-12)


@given(rows=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
@settings(max_examples=60, deadline=None)
def test_f_lies_between_precision_and_recall_nearer_to_what_beta_favours(rows):
    truth, called = (np.array(column) for column in zip(*rows, strict=True))
    assume((truth & called).any())
    precision, recall = ours.precision(truth, called), ours.recall(truth, called)
    low, high = sorted([precision, recall])
    values = [ours.f05(truth, called), ours.f1(truth, called), ours.f2(truth, called)]
    assert all(low - 1e-12 <= value <= high + 1e-12 for value in values)
    rising = values if recall >= precision else values[::-1]
    assert rising == sorted(rising) or np.allclose(values, values[0])


def test_the_reversed_score_has_the_complementary_auroc():
    truth, score, _ = table(1)
    assert ours.auroc(truth, -score) == pytest.approx(1 - ours.auroc(truth, score))


def test_ece_by_hand():
    # bins of width 1/15: 0.1 and 0.1 in (1/15, 2/15], 0.9 and 0.9 and 0.9 in (13/15, 14/15]
    truth, probability = [0, 1, 1, 1, 0], [0.1, 0.1, 0.9, 0.9, 0.9]
    expected = 2 / 5 * abs(0.5 - 0.1) + 3 / 5 * abs(2 / 3 - 0.9)
    assert ours.ece(truth, probability) == pytest.approx(expected)


def test_a_calibrated_probability_has_a_small_ece_and_a_shifted_one_has_the_shift():
    rng = np.random.default_rng(0)
    probability = rng.uniform(0, 0.7, 50_000)
    truth = rng.random(50_000) < probability
    assert ours.ece(truth, probability) < 0.01
    assert ours.ece(truth, probability + 0.3) == pytest.approx(0.3, abs=0.01)
    assert ours.calibration_error(truth, probability + 0.3, adaptive=True) == pytest.approx(
        0.3, abs=0.01
    )


def test_a_screening_table_by_hand():
    # 90 of 100 ill found, 890 of 900 well cleared.
    truth = np.r_[np.ones(100), np.zeros(900)]
    called = np.r_[np.ones(90), np.zeros(10), np.ones(10), np.zeros(890)]
    assert ours.recall(truth, called) == pytest.approx(0.9)
    assert ours.specificity(truth, called) == pytest.approx(890 / 900)
    assert ours.precision(truth, called) == pytest.approx(0.9)
    assert ours.accuracy(truth, called) == pytest.approx(0.98)
    assert ours.f2(truth, called) == pytest.approx(0.9)


def test_the_rating_table_of_hanley_and_mcneil_1982():
    # Radiology 143:29, table I: 58 normal and 51 abnormal images rated 1 to 5; area 0.893.
    normal, abnormal = [33, 6, 6, 11, 2], [3, 2, 2, 11, 33]
    score = np.r_[np.repeat(range(5), normal), np.repeat(range(5), abnormal)]
    truth = np.r_[np.zeros(58), np.ones(51)]
    assert round(ours.auroc(truth, score), 3) == 0.893


@pytest.mark.parametrize(
    ("metric", "truth", "prediction", "message"),
    [
        (
            ours.auroc,
            [1] * 12,
            [0.5] * 12,
            "auroc needs both classes; the 12 rows are all positive",
        ),
        (ours.auroc, [0], [0.5], "auroc needs both classes; the 1 rows are all negative"),
        (
            ours.average_precision,
            [0, 0],
            [0.5, 0.1],
            "needs a positive row; the 2 rows are all negative",
        ),
        (ours.recall, [0, 0], [1, 0], "recall needs a positive row; the 2 rows are all negative"),
        (ours.specificity, [1, 1], [1, 0], "needs a negative row; the 2 rows are all positive"),
        (
            ours.precision,
            [1, 0],
            [0, 0],
            "precision needs a row that is called positive; of the 2 rows 1 are positive and 1"
            " negative, and none is called positive",
        ),
    ],
)
def test_an_undefined_value_says_what_was_missing(metric, truth, prediction, message):
    with pytest.raises(UndefinedMetricError) as caught:
        metric(truth, prediction)
    assert message in str(caught.value)


def test_f_is_zero_not_undefined_where_positives_are_all_missed():
    assert ours.f1([1, 0], [0, 0]) == 0
