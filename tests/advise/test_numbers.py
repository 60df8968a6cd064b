"""Scores of features agree with their definitions, however they are computed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from scipy.linalg import sqrtm
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from medgraft.advise.domain import tell_apart
from medgraft.advise.frechet import between, per_channel
from medgraft.advise.hscore import h_score
from medgraft.advise.logme import logme
from medgraft.advise.probe import SPREAD, Question, probe
from medgraft.errors import ShapeError


def features(n, d, seed=0):
    rng = np.random.default_rng(seed)
    y = (np.arange(n) % 2).astype(float)
    return np.abs(rng.normal(size=(n, d)) + y[:, None] * rng.normal(size=d) * 0.5), y


def log_evidence(logs, f, y):
    """Log density of y ~ N(0, I / b + F F^T / a), per row, with no algebra at all."""
    a, b = np.exp(logs)
    covariance = np.eye(len(y)) / b + f @ f.T / a
    _, determinant = np.linalg.slogdet(covariance)
    quadratic = y @ np.linalg.solve(covariance, y)
    return -0.5 * (len(y) * np.log(2 * np.pi) + determinant + quadratic) / len(y)


class TestLogme:
    @pytest.mark.parametrize(("n", "d"), [(40, 3), (30, 12), (20, 50)])
    def test_it_is_the_maximum_that_a_search_finds(self, n, d):
        f, y = features(n, d)
        limits = [(-15, 15)] * 2  # with more channels than images the best noise is none
        best = max(
            -minimize(lambda x: -log_evidence(x, f, y), s, method="Nelder-Mead", bounds=limits).fun
            for s in [(u, v) for u in (0, 3) for v in (0, 3)]
        )
        assert logme(f, y[:, None])[0] == pytest.approx(best, abs=2e-3)

    def test_columns_do_not_touch_each_other(self):
        f, y = features(30, 8)
        both = np.stack([y, 1 - y, np.roll(y, 1)], axis=1)
        alone = [logme(f, column[:, None])[0] for column in both.T]
        np.testing.assert_allclose(logme(f, both), alone, rtol=1e-6)

    @settings(max_examples=20, deadline=None)
    @given(some.floats(1e-3, 1e3))
    def test_the_scale_of_the_features_does_not_matter(self, scale):
        f, y = features(25, 6)
        assert logme(scale * f, y[:, None])[0] == pytest.approx(logme(f, y[:, None])[0], abs=1e-4)

    def test_features_that_know_the_label_are_better_than_noise(self):
        f, y = features(60, 5)
        noise = np.abs(np.random.default_rng(1).normal(size=f.shape))
        assert logme(np.c_[f, y], y[:, None])[0] > logme(f, y[:, None])[0]
        assert logme(f, y[:, None])[0] > logme(noise, y[:, None])[0]

    @pytest.mark.parametrize("f", [np.zeros((4, 3)), np.ones((4, 3)), np.eye(4)])
    def test_constant_and_perfect_features_give_a_number(self, f):
        assert np.isfinite(logme(f, np.array([[0.0], [1], [0], [1]]))).all()

    def test_two_images_are_enough(self):
        f, y = features(2, 7)
        assert np.isfinite(logme(f, y[:, None])).all()

    def test_blank_labels_are_refused(self):
        with pytest.raises(ShapeError, match="Leave out rows without a label"):
            logme(np.ones((2, 1)), np.array([[1.0], [np.nan]]))

    def test_rows_must_match(self):
        with pytest.raises(ShapeError, match="got"):
            logme(np.ones((2, 1)), np.ones((3, 1)))


class TestHScore:
    def test_it_is_its_definition(self):
        f, y = features(60, 4)
        means = np.stack([f[y == name].mean(axis=0) for name in y])
        total, between_ = np.cov(f.T, bias=True), np.cov(means.T, bias=True)
        wanted = np.trace(np.linalg.inv(total) @ between_)
        assert h_score(f, y, shrink=False) == pytest.approx(wanted)

    def test_shrinkage_vanishes_with_many_images(self):
        f, y = features(20_000, 3)
        f = f * [1, 5, 20]  # were all alike, a multiple of the identity would be right at once
        assert h_score(f, y) == pytest.approx(h_score(f, y, shrink=False), rel=0.05)

    def test_without_shrinkage_noise_of_many_channels_looks_perfect(self):
        noise = np.random.default_rng(0).normal(size=(20, 100))
        classes = np.arange(20) % 2
        assert h_score(noise, classes, shrink=False) > 0.99
        assert h_score(noise, classes) < 0.6

    def test_it_is_at_most_the_classes_less_one(self):
        points = np.eye(3)[np.arange(30) % 3] * 5
        assert h_score(points, np.arange(30) % 3, shrink=False) == pytest.approx(2)

    @pytest.mark.parametrize("f", [np.ones((4, 3)), np.zeros((4, 3))])
    def test_constant_features_score_zero(self, f):
        assert h_score(f, np.array([0, 1, 0, 1])) == 0

    def test_one_image_per_class_gives_a_number(self):
        assert np.isfinite(h_score(*features(2, 5)))


class TestFrechet:
    def test_of_sets_it_is_the_closed_form(self):
        t, s = features(50, 4)[0], features(60, 4, seed=1)[0] + 0.3
        a, b = np.cov(t.T, bias=True), np.cov(s.T, bias=True)
        gap = ((t.mean(axis=0) - s.mean(axis=0)) ** 2).sum()
        wanted = (gap + np.trace(a + b - 2 * sqrtm(a @ b).real)) / np.trace(b)
        assert between(t, s) == pytest.approx(wanted, rel=1e-6)

    def test_per_channel_it_is_the_closed_form_of_one_dimension(self):
        rng = np.random.default_rng(0)
        t, s = rng.normal(1, 2, (500, 3)), rng.normal(0, 1, (500, 3))
        wanted = [between(t[:, [k]], s[:, [k]]) for k in range(3)]
        found = per_channel(t.mean(axis=0), t.var(axis=0), s.mean(axis=0), s.var(axis=0))
        np.testing.assert_allclose(found, wanted)

    def test_the_same_set_is_at_zero(self):
        t = features(20, 50)[0]
        assert between(t, t) == pytest.approx(0, abs=1e-9)

    def test_a_source_that_does_not_vary_is_no_measure(self):
        assert np.isnan(between(np.ones((3, 2)), np.ones((3, 2))))
        with pytest.raises(ShapeError, match="unit"):
            per_channel(np.zeros(1), np.ones(1), np.zeros(1), np.zeros(1))

    def test_channels_must_match(self):
        with pytest.raises(ShapeError, match="got"):
            between(np.ones((3, 2)), np.ones((3, 4)))


class TestProbe:
    def test_it_is_what_sklearn_predicts_for_left_out_groups(self):
        f, y = features(60, 10)
        patients = np.arange(60) // 3
        model = make_pipeline(
            StandardScaler(),
            FunctionTransformer(lambda x: x / np.sqrt(10)),
            LogisticRegression(C=SPREAD, max_iter=2000),
        )
        folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
        wanted = cross_val_predict(model, f, y, groups=patients, cv=folds, method="predict_proba")
        found = probe(f, np.stack([1 - y, y], axis=1), patients, kind="exclusive")
        np.testing.assert_allclose(found, wanted, atol=1e-6)
        np.testing.assert_allclose(
            probe(f, y[:, None], patients, kind="independent")[:, 0], wanted[:, 1], atol=1e-6
        )

    def test_what_a_patient_is_recognised_by_does_not_help(self):
        rng = np.random.default_rng(0)
        patients = np.repeat(np.arange(30), 8)
        y = (patients % 2).astype(float)
        f = rng.normal(size=(30, 40))[patients] + 0.01 * rng.normal(size=(240, 40))
        found = probe(f, y[:, None], patients, kind="independent")[:, 0]
        assert 0.2 < roc_auc_score(y, found) < 0.8

    def test_several_labels_are_learnt_from_the_rows_where_they_are_known(self):
        f, y = features(40, 5)
        targets = np.stack([y, y, np.full(40, np.nan)], axis=1)
        targets[:10, 1] = np.nan
        found = probe(f, targets, np.arange(40), kind="independent")
        np.testing.assert_array_equal(np.isnan(found), np.isnan(targets))
        question = Question(targets, None, ("a", "b", "c"), "independent", 50, 0)
        assert question.auroc(found)["value"] > 0.5

    def test_three_classes(self):
        rng = np.random.default_rng(0)
        names = np.arange(45) % 3
        f = rng.normal(size=(45, 6)) + 2 * np.eye(6)[names]
        targets = np.eye(3)[names]
        targets[0] = np.nan
        found = probe(f, targets, np.arange(45) // 3, kind="exclusive")
        assert np.isnan(found[0]).all()
        np.testing.assert_allclose(found[1:].sum(axis=1), 1)
        question = Question(targets, None, ("a", "b", "c"), "exclusive", 50, 0)
        assert question.auroc(found)["value"] > 0.8

    @pytest.mark.parametrize(
        ("classes", "patients"),
        [([0, 1], [0, 1]), ([0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 1]), ([0, 0, 0], [0, 1, 2])],
    )
    def test_too_few_patients_leave_it_undefined_and_say_why(self, classes, patients):
        targets = np.array(classes, float)[:, None]
        f = np.random.default_rng(0).normal(size=(len(classes), 3))
        found = probe(f, targets, np.array(patients), kind="independent")
        assert np.isnan(found).all()
        question = Question(targets, np.array(patients), ("a",), "independent", 50, 0)
        assert "too few patients" in question.auroc(found)["reason"]
        assert question.difference(found, found) is None

    def test_constant_features_know_nothing(self):
        y = (np.arange(20) % 2).astype(float)[:, None]
        found = probe(np.ones((20, 4)), y, np.arange(20), kind="independent")
        assert np.ptp(found) < 0.1


class TestTellApart:
    def test_the_same_archive_cannot_be_told_from_itself(self):
        rng = np.random.default_rng(0)
        found = tell_apart(
            rng.normal(size=(200, 3)), rng.normal(size=(200, 3)), np.arange(200), np.arange(200)
        )
        assert found.error > 0.4
        assert found.proxy_a < 0.4
        assert found.frechet < 0.1

    def test_another_archive_can(self):
        rng = np.random.default_rng(0)
        found = tell_apart(
            rng.normal(5, 1, (60, 3)), rng.normal(size=(60, 3)), np.arange(60), np.arange(60)
        )
        assert (found.error, found.proxy_a) == (0, 2)
        assert found.frechet > 10

    def test_one_patient_cannot_say(self):
        rows = np.random.default_rng(0).normal(size=(6, 2))
        assert tell_apart(rows, rows, np.zeros(6), np.arange(6)).error is None
