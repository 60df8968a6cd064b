"""What every metric promises. A new one is tested here without being named."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loops_of_metrics import TWINS

from medgraft.errors import ArgumentError, ShapeError, UndefinedMetricError
from medgraft.evaluate.metrics import metrics
from medgraft.evaluate.sample import Cases, Counts, Sample

ALL = [metrics.get(name) for name in metrics.names()]
GRID = st.sampled_from([0.0, 0.05, 0.2, 1 / 3, 0.4, 0.5, 2 / 3, 0.8, 1.0])
TABLES = st.lists(st.tuples(st.booleans(), GRID), min_size=1, max_size=30)


@pytest.fixture(params=ALL, ids=lambda metric: metric.name)
def metric(request):
    return request.param


def read(metric, score):
    """What this metric reads, made of scores."""
    return score >= 0.5 if metric.reads == "decision" else score


def table(rows=400, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.random(rows) < 0.4
    return truth, np.clip(rng.normal(0.35 + 0.3 * truth, 0.2), 0, 1)


def test_says_which_way_is_better_in_which_range_and_by_whom(metric):
    assert metric.better in ("higher", "lower")
    assert metric.range[0] < metric.range[1]
    assert metric.source
    assert metric.needs


def test_perfect_beats_random_beats_reversed(metric):
    truth = np.arange(400) % 2 == 0
    rng = np.random.default_rng(1)
    perfect = 0.99 * truth + 0.01 * rng.random(400)  # no ties, which are half right
    values = [metric(truth, read(metric, s)) for s in (perfect, rng.random(400), 1 - perfect)]
    if metric.better == "lower":
        values = [-value for value in values]
    assert values[0] > values[1] > values[2]


def test_perfect_reaches_the_better_end_of_the_range(metric):
    truth = np.arange(20) % 2 == 0
    best = metric.range[1] if metric.better == "higher" else metric.range[0]
    assert metric(truth, read(metric, truth.astype(float))) == pytest.approx(best)


@settings(max_examples=60, deadline=None)
@given(rows=TABLES, seed=st.integers(0, 99))
def test_row_order_does_not_matter(rows, seed):
    truth, score = (np.array(column) for column in zip(*rows, strict=True))
    order = np.random.default_rng(seed).permutation(len(rows))
    for metric in ALL:
        try:
            value = metric(truth, read(metric, score))
        except UndefinedMetricError:
            continue
        assert metric(truth[order], read(metric, score)[order]) == pytest.approx(value, abs=1e-12)
        assert metric.range[0] <= value <= metric.range[1]


@settings(max_examples=100, deadline=None)
@given(rows=TABLES)
def test_agrees_with_its_definition_in_loops(rows):
    truth, score = (np.array(column) for column in zip(*rows, strict=True))
    for name, twin in TWINS.items():
        metric = metrics.get(name)
        expected = twin(truth, read(metric, score))
        if np.isnan(expected):
            with pytest.raises(UndefinedMetricError, match=name):
                metric(truth, read(metric, score))
        else:
            assert metric(truth, read(metric, score)) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(rows=TABLES, seed=st.integers(0, 99))
def test_weights_count_rows_that_often(rows, seed):
    truth, score = (np.array(column) for column in zip(*rows, strict=True))
    often = np.random.default_rng(seed).integers(0, 4, len(rows))
    if not often.any():
        often[0] = 1
    for metric in ALL:
        seen = read(metric, score)
        try:
            expected = metric(truth.repeat(often), seen.repeat(often))
        except UndefinedMetricError:
            with pytest.raises(UndefinedMetricError):
                metric(truth, seen, weights=often)
        else:
            assert metric(truth, seen, weights=often) == pytest.approx(expected, abs=1e-12)


def test_replicates_equal_a_loop_over_the_same_draws(metric):
    truth, score = table(60, seed=3)
    score = score.round(1)  # ties
    patient = np.random.default_rng(4).integers(0, 20, 60)
    counts = np.random.default_rng(5).multinomial(20, [1 / 20] * 20, size=25)
    cases = Cases(truth, score, score >= 0.5, patient, 20)
    together = metric.formula(Sample(cases, Counts.of(counts)))
    for row, replicate in zip(counts, together, strict=True):
        rows = np.repeat(np.arange(60), row[patient].astype(int))
        alone = metric(truth[rows], read(metric, score)[rows])
        assert replicate == pytest.approx(alone, abs=1e-12)


def test_refuses_what_is_no_truth(metric):
    with pytest.raises(ArgumentError, match=r"only 0 and 1, but 1 row \(2\) is 2"):
        metric([0, 1, 2], [0, 1, 1])


def test_refuses_different_lengths(metric):
    with pytest.raises(ShapeError, match="3 rows, got 2"):
        metric([0, 1, 1], [0, 1])


def test_refuses_no_rows(metric):
    with pytest.raises(ShapeError, match="at least one row"):
        metric([], [])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_refuses_scores_that_are_not_finite(metric, bad):
    with pytest.raises(ArgumentError, match=r"2 rows \(1, 3\)|only 0 and 1"):
        metric([0, 1, 1, 0], [0.0, bad, 1.0, bad])


@pytest.mark.parametrize(
    "metric", [m for m in ALL if m.reads == "probability"], ids=lambda metric: metric.name
)
def test_probabilities_outside_their_range_are_refused(metric):
    with pytest.raises(ArgumentError, match="Were logits passed"):
        metric([0, 1], [-2.0, 3.0])
