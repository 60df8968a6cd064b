"""The bootstrap against loops, and what resampling by patient must do."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medgraft.errors import ArgumentError
from medgraft.evaluate import bootstrap, evaluate
from medgraft.evaluate.metrics import metrics
from medgraft.evaluate.sample import Cases

AUROC = metrics.get("auroc")


def cases(rows=200, units=50, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.random(rows) < 0.3
    score = np.clip(rng.normal(0.35 + 0.3 * truth, 0.2), 0, 1)
    return Cases(truth, score, score >= 0.5, rng.integers(0, units, rows), units)


def ask(truth, probability, **more):
    return evaluate(truth, probability, names=["y"], kind="independent", **more)["metrics"]


@given(units=st.integers(1, 40), replicates=st.integers(1, 30), seed=st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_every_replicate_draws_as_many_units_as_there_are(units, replicates, seed):
    counts = bootstrap.draw(units, replicates, seed)
    assert counts.shape == (replicates, units)
    assert (counts.sum(axis=1) == units).all()
    assert (counts >= 0).all()


def test_draws_are_uniform_over_units():
    counts = bootstrap.draw(20, 4000, seed=0)
    assert counts.mean(axis=0) == pytest.approx(np.ones(20), abs=0.06)
    assert counts.var(axis=0) == pytest.approx(np.full(20, 19 / 20), abs=0.1)


def test_how_the_work_is_cut_changes_no_number(monkeypatch):
    task = [(cases(), [metrics.get(name) for name in metrics.names()])]
    whole = bootstrap.replicate(task, replicates=50, seed=3)
    monkeypatch.setattr(bootstrap, "CHUNK", 1)
    monkeypatch.setattr(bootstrap, "WORKERS", 3)
    pieces = bootstrap.replicate(task, replicates=50, seed=3)
    np.testing.assert_allclose(pieces, whole, rtol=1e-12)


def test_draws_that_are_remembered_are_those_that_are_drawn_again(monkeypatch):
    task = [(cases(), [metrics.get(name) for name in metrics.names()])]
    remembered = bootstrap.replicate(task, replicates=50, seed=3)
    monkeypatch.setattr(bootstrap, "KEPT", 0)
    np.testing.assert_array_equal(bootstrap.replicate(task, replicates=50, seed=3), remembered)
    other = bootstrap.replicate(task, replicates=50, seed=4)
    assert not np.array_equal(other, remembered)


def test_replicates_equal_a_loop_that_repeats_rows():
    rows = cases()
    found = bootstrap.replicate([(rows, [AUROC])], replicates=20, seed=5)[0][0]
    for counts, value in zip(bootstrap.draw(50, 20, seed=5), found, strict=True):
        drawn = np.repeat(np.arange(200), counts[rows.unit].astype(int))
        assert value == pytest.approx(AUROC(rows.truth[drawn], rows.score[drawn]), abs=1e-12)


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    rows = cases()
    first, again, other = (ask(rows.truth, rows.score, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first["auroc"]["low"] != other["auroc"]["low"]


def test_images_that_repeat_widen_the_interval_only_where_patients_are_known():
    rows = cases(rows=60, units=60)
    truth, score = rows.truth.repeat(4), rows.score.repeat(4)
    by_image = ask(truth, score)["auroc"]
    by_patient = ask(truth, score, patients=np.arange(60).repeat(4))["auroc"]
    width = {k: e["high"] - e["low"] for k, e in (("image", by_image), ("patient", by_patient))}
    assert width["patient"] == pytest.approx(2 * width["image"], rel=0.2)  # root of four copies
    alone = ask(rows.truth, rows.score)["auroc"]
    assert by_patient == pytest.approx(alone)


def test_the_width_of_an_accuracy_is_that_of_the_binomial():
    called = (np.arange(400) < 320).astype(float)
    entry = ask(np.ones(400), called, metrics=["accuracy"], replicates=4000)["accuracy"]
    assert entry["value"] == 0.8
    expected = 2 * 1.96 * np.sqrt(0.8 * 0.2 / 400)
    assert entry["high"] - entry["low"] == pytest.approx(expected, rel=0.08)


def test_the_interval_covers_the_true_auroc_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    inside = 0
    for trial in range(100):
        truth = np.arange(80) < 40
        score = rng.normal(truth * 1.0)  # the true area is Phi(1 / sqrt 2) = 0.7602
        entry = bootstrap.replicate(
            [(Cases(truth, score, truth, np.arange(80), 80), [AUROC])], replicates=300, seed=trial
        )
        low, high = bootstrap.interval(entry[0][0])
        inside += low <= 0.7602 <= high
    assert 86 <= inside <= 100


def test_replicates_of_one_class_are_skipped_and_counted():
    truth = np.r_[1, np.zeros(9)]
    entry = ask(truth, np.linspace(1, 0, 10), seed=0)["auroc"]
    counts = bootstrap.draw(10, 1000, seed=0)
    expected = int(((counts[:, 0] == 0) | (counts[:, 0] == 10)).sum())
    assert entry["undefined_replicates"] == expected
    assert 300 < expected < 400  # 0.9 to the tenth is 0.349
    assert entry["low"] == entry["high"] == 1.0


def test_one_patient_has_no_interval_and_says_so():
    entry = ask([0, 1, 1], [0.1, 0.6, 0.7], patients=["P1"] * 3)["auroc"]
    assert entry["value"] == 1.0
    assert entry["low"] is None
    assert "at least 2 patients" in entry["reason"]


def test_no_replicates_give_values_without_intervals():
    entry = ask([0, 1], [0.1, 0.6], replicates=0)["auroc"]
    assert entry == {"value": 1.0, "low": None, "high": None}


def test_negative_replicates_are_refused():
    with pytest.raises(ArgumentError, match="got -1"):
        ask([0, 1], [0.1, 0.6], replicates=-1)


def test_linear_percentiles_equal_numpy_and_skip_undefined_replicates():
    drawn = np.random.default_rng(0).normal(size=1000)
    drawn[::7] = np.nan
    expected = np.nanquantile(drawn, [0.05, 0.95])
    assert bootstrap.interval(drawn, confidence=0.9) == pytest.approx(tuple(expected))


@pytest.mark.parametrize(("replicates", "ends"), [(1000, (24, 974)), (200, (4, 194)), (10, (0, 8))])
def test_the_order_rule_takes_the_values_that_the_studies_took(replicates, ends):
    assert bootstrap.interval(np.arange(float(replicates)), rule="order") == ends


@pytest.mark.parametrize("confidence", [0, 1, 95, np.nan])
def test_a_confidence_that_is_no_share_is_refused(confidence):
    with pytest.raises(ArgumentError, match="confidence must be in"):
        bootstrap.interval(np.arange(5.0), confidence=confidence)


def test_an_interval_of_nothing_is_refused():
    with pytest.raises(ArgumentError, match="at least one defined replicate"):
        bootstrap.interval(np.full(5, np.nan))
