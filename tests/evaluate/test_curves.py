"""Curves against scikit-learn, and bands against a loop over replicates."""

import numpy as np
import pytest
import sklearn.metrics as theirs

from medgraft.errors import ArgumentError, UndefinedMetricError
from medgraft.evaluate import bootstrap, calibration, confusion, curves, precision_recall, roc


def table(digits=12, rows=300, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.random(rows) < 0.3
    score = np.clip(rng.normal(0.35 + 0.3 * truth, 0.2), 0, 1).round(digits)
    return truth, score, rng.integers(0, rows // 3, rows)


@pytest.mark.parametrize("digits", [1, 2, 12])
def test_the_corners_of_the_roc_are_those_of_scikit_learn(digits):
    truth, score, _ = table(digits)
    curve = roc(truth, score, replicates=0)
    fpr, tpr, _ = theirs.roc_curve(truth, score, drop_intermediate=False)
    np.testing.assert_allclose(np.trapezoid(curve.tpr, curve.fpr), theirs.auc(fpr, tpr))
    assert curve.auroc == pytest.approx(theirs.roc_auc_score(truth, score))
    assert {(x, y) for x, y in zip(curve.fpr, curve.tpr, strict=True)} <= set(
        zip(fpr, tpr, strict=True)
    )
    assert (curve.fpr[0], curve.tpr[0], curve.fpr[-1], curve.tpr[-1]) == (0, 0, 1, 1)


@pytest.mark.parametrize("digits", [1, 2, 12])
def test_precision_and_recall_are_those_of_scikit_learn(digits):
    truth, score, _ = table(digits)
    curve = precision_recall(truth, score, replicates=0)
    precision, recall, _ = theirs.precision_recall_curve(truth, score)
    np.testing.assert_allclose(curve.recall[1:], recall[:-1][::-1])
    np.testing.assert_allclose(curve.precision[1:], precision[:-1][::-1])
    steps = (np.diff(curve.recall) * curve.precision[1:]).sum()
    assert steps == pytest.approx(curve.average_precision)
    assert curve.prevalence == pytest.approx(truth.mean())


@pytest.mark.parametrize("digits", [1, 12])
def test_the_roc_band_is_the_percentile_of_interpolated_replicates(digits):
    truth, score, patient = table(digits)
    curve = roc(truth, score, patient, replicates=60, seed=4)
    units = np.unique(patient, return_inverse=True)
    first = {p: n for n, p in enumerate(dict.fromkeys(patient.tolist()))}
    of_row = np.array([first[p] for p in patient])
    lines = []
    for counts in bootstrap.draw(len(units[0]), 60, seed=4):
        fpr, tpr, _ = theirs.roc_curve(
            truth, score, sample_weight=counts[of_row], drop_intermediate=False
        )
        top = np.array([tpr[fpr <= at + 1e-12].max() for at in curve.grid])
        on_line = np.interp(curve.grid, fpr, tpr)
        lines.append(np.maximum(top, on_line))  # at a vertical piece its upper end
    low, high = np.quantile(lines, [0.025, 0.975], axis=0)
    np.testing.assert_allclose(curve.low, low, atol=1e-9)
    np.testing.assert_allclose(curve.high, high, atol=1e-9)


def test_the_band_of_the_precision_is_that_of_a_loop():
    truth, score, _ = table(2)
    curve = precision_recall(truth, score, replicates=40, seed=1)
    lines = []
    for counts in bootstrap.draw(300, 40, seed=1):
        rows = np.repeat(np.arange(300), counts.astype(int))
        at = np.unique(score[rows])[::-1]
        recall = np.array([(score[rows] >= t)[truth[rows]].mean() for t in at])
        precision = np.array([truth[rows][score[rows] >= t].mean() for t in at])
        lines.append(
            [precision[np.flatnonzero((recall >= r - 1e-9) & (recall > 0))[0]] for r in curve.grid]
        )
    low, high = np.quantile(lines, [0.025, 0.975], axis=0)
    np.testing.assert_allclose(curve.low, low, atol=1e-9)
    np.testing.assert_allclose(curve.high, high, atol=1e-9)


def test_bands_are_within_range_and_wider_where_rows_of_a_patient_repeat():
    truth, score, _ = (column.repeat(4) for column in table())
    by_image, by_patient = roc(truth, score), roc(truth, score, np.arange(300).repeat(4))
    for curve in (by_image, by_patient):
        assert ((curve.low <= curve.high) & (curve.low >= 0) & (curve.high <= 1)).all()
        assert curve.high[-1] == curve.low[-1] == 1
    widths = [(curve.high - curve.low).mean() for curve in (by_image, by_patient)]
    assert widths[1] == pytest.approx(2 * widths[0], rel=0.25)


def test_a_perfect_model_has_a_curve_along_the_edges():
    curve = roc([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], replicates=20)
    assert curve.fpr.tolist() == [0, 0, 1]
    assert curve.tpr.tolist() == [0, 1, 1]
    assert (curve.low == 1).all()


def test_long_curves_are_thinned_but_keep_their_ends():
    rng = np.random.default_rng(0)
    curve = roc(rng.random(20_000) < 0.5, rng.random(20_000), replicates=0)
    assert len(curve.fpr) == curves.CORNERS
    assert (curve.fpr[0], curve.fpr[-1]) == (0, 1)


def test_calibration_points_are_means_of_their_bins():
    truth, score, patient = table()
    curve = calibration(truth, score, patient, bins=10)
    for mean, share, count in zip(curve.predicted, curve.observed, curve.count, strict=True):
        low = (np.ceil(mean * 10) - 1) / 10
        rows = (score > low) & (score <= low + 0.1 + 1e-12) | ((score == 0) & (low == 0))
        assert (mean, share, count) == pytest.approx(
            (score[rows].mean(), truth[rows].mean(), rows.sum())
        )
    assert curve.count.sum() == 300
    filled = curve.count > 10
    assert (curve.low[filled] <= curve.observed[filled]).all()
    assert (curve.observed[filled] <= curve.high[filled]).all()


def test_curves_of_one_class_are_undefined():
    with pytest.raises(UndefinedMetricError, match="all positive"):
        roc([1, 1], [0.1, 0.2])
    with pytest.raises(UndefinedMetricError, match="all negative"):
        precision_recall([0, 0], [0.1, 0.2])


def test_without_replicates_or_with_one_patient_there_is_no_band():
    assert roc([0, 1], [0.1, 0.2], replicates=0).low is None
    assert roc([0, 1], [0.1, 0.2], ["P1", "P1"]).low is None


def test_replicates_of_one_class_leave_the_band_finite():
    curve = roc([0, 0, 0, 1], [0.1, 0.2, 0.3, 0.9], replicates=100)
    assert np.isfinite(curve.low).all()
    assert np.isfinite(curve.high).all()


def test_calibration_refuses_logits():
    with pytest.raises(ArgumentError, match="Were logits passed"):
        calibration([0, 1], [-3.0, 2.0])


@pytest.mark.parametrize("classes", [2, 5])
def test_confusion_equals_scikit_learn(classes):
    rng = np.random.default_rng(0)
    actual, called = rng.integers(0, classes, (2, 100))
    expected = theirs.confusion_matrix(actual, called, labels=range(classes))
    np.testing.assert_array_equal(confusion(actual, called, classes=classes), expected)


@pytest.mark.parametrize("bad", [-1, 2, 0.5, np.nan])
def test_confusion_refuses_what_is_no_class(bad):
    with pytest.raises(ArgumentError, match=r"class numbers 0 to 1, but 1 row \(1\) is"):
        confusion([0, bad], [0, 1])
