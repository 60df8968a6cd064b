"""DeLong's variance against its definition in pairs, and against the bootstrap."""

import numpy as np
import pytest
from scipy.stats import norm

from medgraft.errors import ArgumentError, ShapeError, UndefinedMetricError
from medgraft.evaluate import delong, delong_of_mean, paired


def table(rows=200, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.random(rows) < 0.4
    shared = rng.normal(truth * 1.0)
    return truth, (shared + rng.normal(size=rows)).round(1), shared.round(1)


def by_pairs(truth, first, second):
    """The covariance of the structural components, from the matrix of all pairs."""
    kernels = []
    for score in (first, second):
        gap = score[truth][:, None] - score[~truth][None]
        kernels.append((gap > 0) + 0.5 * (gap == 0))
    of_positives = np.cov([kernel.mean(axis=1) for kernel in kernels])
    of_negatives = np.cov([kernel.mean(axis=0) for kernel in kernels])
    cov = of_positives / truth.sum() + of_negatives / (~truth).sum()
    return np.sqrt(cov[0, 0] + cov[1, 1] - 2 * cov[0, 1])


@pytest.mark.parametrize("seed", range(5))
def test_the_error_is_that_of_all_pairs(seed):
    truth, first, second = table(seed=seed)
    found = delong(truth, first, second)
    expected = by_pairs(truth, first, second)
    assert found.error == pytest.approx(expected)
    assert found.p == pytest.approx(2 * norm.sf(abs(found.difference) / expected))
    assert found.low == pytest.approx(found.difference - norm.ppf(0.975) * expected)


def test_patients_with_one_row_each_change_nothing():
    truth, first, second = table()
    assert delong(truth, first, second, np.arange(200)) == delong(truth, first, second)


def test_the_error_with_patients_is_near_that_of_the_bootstrap():
    truth, first, second = table(rows=400)
    patients = np.arange(800) % 400 // 2  # two different rows, each twice
    scores = [1 / (1 + np.exp(-np.tile(score, 2))) for score in (first, second)]
    found = delong(np.tile(truth, 2), *scores, patients)
    drawn = paired(np.tile(truth, 2), *scores, names=["y"], kind="independent", patients=patients,
                   metrics=["auroc"])["metrics"]["auroc"]  # fmt: skip
    assert found.difference == pytest.approx(drawn["value"])
    assert found.high - found.low == pytest.approx(drawn["high"] - drawn["low"], rel=0.15)
    assert found.error > 1.3 * delong(np.tile(truth, 2), *scores).error


def test_exchanging_the_models_turns_the_difference():
    truth, first, second = table()
    there, back = delong(truth, first, second), delong(truth, second, first)
    assert there.difference == -back.difference
    assert (there.low, there.p) == pytest.approx((-back.high, back.p))


def test_a_model_against_itself_differs_by_nothing():
    truth, first, _ = table()
    found = delong(truth, first, first)
    assert (found.difference, found.low, found.high, found.p) == (0, 0, 0, 1)


@pytest.mark.parametrize("truth", [[1, 1, 0], [0, 0, 0]])
def test_needs_two_rows_of_each_class(truth):
    with pytest.raises(UndefinedMetricError, match="at least 2 rows of each class"):
        delong(truth, [1, 2, 3], [1, 2, 3])


def test_a_confidence_that_is_no_share_is_refused():
    with pytest.raises(ArgumentError, match="got 95"):
        delong([0, 0, 1, 1], [1, 2, 3, 4], [1, 2, 3, 4], confidence=95)


class TestOfMean:
    def labels(self, rows=400, labels=3, seed=0):
        """Labels that hang together, two rows per patient, some rows unknown."""
        rng = np.random.default_rng(seed)
        patient = np.arange(rows) // 2
        mood = rng.normal(size=rows // 2)[patient][:, None]
        truth = (rng.normal(size=(rows, labels)) + mood > 0.3).astype(float)
        shared = truth + rng.normal(size=(rows, labels)) + mood
        truth[rng.random(truth.shape) < 0.1] = np.nan
        return truth, shared, shared + 0.7 * rng.normal(size=(rows, labels)) + 0.5 * mood, patient

    def test_of_one_label_is_that_label(self):
        truth, first, second, patient = self.labels(labels=1)
        known = ~np.isnan(truth[:, 0])
        alone = delong(truth[known, 0], first[known, 0], second[known, 0], patient[known])
        assert delong_of_mean(truth, first, second, patient) == alone

    def test_the_error_is_that_of_the_bootstrap(self):
        truth, first, second, patient = self.labels()
        found = delong_of_mean(truth, first, second, patient)
        scale = [1 / (1 + np.exp(-score)) for score in (first, second)]
        drawn = paired(truth, *scale, names=["a", "b", "c"], kind="independent",
                       patients=patient, metrics=["auroc"], replicates=2000)["metrics"]["auroc"]  # fmt: skip
        assert drawn["value"] == pytest.approx(found.difference)
        assert drawn["high"] - drawn["low"] == pytest.approx(found.high - found.low, rel=0.08)

    def test_a_label_that_stands_there_twice_tells_nothing_new(self):
        truth, first, second, patient = (t[:, :1] if t.ndim > 1 else t for t in self.labels())
        once, twice = (
            delong_of_mean(*(np.repeat(t, n, axis=1) for t in (truth, first, second)), patient)
            for n in (1, 2)
        )
        assert twice.error == pytest.approx(once.error, rel=0.01)  # apart: smaller by a third

    def test_a_model_against_itself_is_no_difference(self):
        truth, first, _, patient = self.labels()
        found = delong_of_mean(truth, first, first, patient)
        assert (found.difference, found.error, found.p) == (0, 0, 1)

    def test_wrong_shapes_and_rare_labels_are_refused(self):
        truth, first, second, _ = self.labels()
        with pytest.raises(ShapeError, match="second must have the shape of truth"):
            delong_of_mean(truth, first, second[:, :2])
        with pytest.raises(ShapeError, match=r"truth must have shape \(N, K\)"):
            delong_of_mean(truth[:, 0], first[:, 0], second[:, 0])
        truth[:, 1] = 0
        with pytest.raises(UndefinedMetricError, match="at least 2 rows of each class"):
            delong_of_mean(truth, first, second)
