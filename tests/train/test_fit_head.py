"""Fitted heads, each against scikit-learn's own pipeline or the definition."""

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import PredefinedSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from medgraft.errors import TrainingError
from medgraft.train.fit_head import Samples, fit_head
from medgraft.train.folds import patient_folds
from medgraft.train.linear_models import STRENGTHS, svm_path
from medgraft.train.platt import log_probabilities, platt
from medgraft.train.scaling import Scaling
from medgraft.train.strategies import Solver


def example(count=90, width=12, classes=2, seed=0):
    """Features with some signal, not standardised; two images of each patient."""
    rng = np.random.default_rng(seed)
    truth = np.arange(count) // 2 % classes
    x = rng.normal(size=(count, width)) * rng.uniform(0.1, 5, width) + rng.uniform(0, 9, width)
    x[:, :classes] += 1.2 * np.eye(classes)[truth] * x[:, :classes].std(axis=0)
    return x.astype(np.float32), truth, np.arange(count) // 2


def samples(x, truth, unit, weights=None):
    return Samples(x[None], truth, np.ones(len(x)) if weights is None else weights, unit)


def probabilities(fitted, x):
    return np.exp(log_probabilities(x.astype(float) @ fitted.weights.T + fitted.bias))


NAMES = ("a", "b", "c")
SHAPES = [(90, 12), (30, 80)]  # more images than features, and fewer


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("shape", SHAPES)
def test_logistic_equals_the_pipeline_of_sklearn(shape, classes, balanced):
    x, truth, unit = example(*shape, classes=classes)
    kept = ~((truth == 0) & (np.arange(len(x)) % 3 == 0))  # classes of different size
    x, truth, unit = x[kept], truth[kept], unit[kept]
    factor = len(x) / (classes * np.bincount(truth)) if balanced else np.ones(classes)
    fitted = fit_head(
        samples(x, truth, unit, factor[truth]), Solver("logistic", c=0.1), seed=0, names=NAMES
    )
    model = LogisticRegression(
        C=0.1, tol=1e-9, max_iter=10000, class_weight="balanced" if balanced else None
    )
    theirs = make_pipeline(StandardScaler(), model).fit(x.astype(float), truth)
    assert probabilities(fitted, x) == pytest.approx(theirs.predict_proba(x), abs=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_svm_equals_the_calibrated_pipeline_of_sklearn(shape):
    x, truth, unit = example(*shape)
    fitted = fit_head(samples(x, truth, unit), Solver("svm", c=0.01), seed=3, names=NAMES)
    fold = patient_folds(unit, truth, most=5, seed=3)
    machine = make_pipeline(StandardScaler(), LinearSVC(C=0.01, dual=False, tol=1e-9))
    theirs = CalibratedClassifierCV(machine, cv=PredefinedSplit(fold), ensemble=False)
    theirs.fit(x.astype(float), truth)
    # their scaling stops at a gradient of 1e-6
    assert probabilities(fitted, x) == pytest.approx(theirs.predict_proba(x), abs=1e-5)


def test_the_machine_is_the_least_of_its_definition():
    x, truth, _ = example(40, 6)
    z = Scaling.of(x)(x)
    sign = 2.0 * truth - 1
    ((weights, bias),) = svm_path(z, truth, np.ones(40), (0.05,))

    def cost(theta):
        margin = sign * (z @ theta[:-1] + theta[-1])
        return theta @ theta / 2 + 0.05 * (np.maximum(0, 1 - margin) ** 2).sum()

    least = minimize(cost, np.zeros(7), method="BFGS", options={"gtol": 1e-8}).x
    assert np.append(weights[0], bias) == pytest.approx(least, abs=1e-5)


def test_scaling_of_two_classes_is_that_of_platt():
    """His targets and his sigmoid, minimised by a search that knows no gradient."""
    rng = np.random.default_rng(0)
    truth = (rng.random(60) < 0.4).astype(int)
    values = 0.02 * (truth + rng.normal(size=60))
    (slope,), (offset,) = platt(values[:, None], truth, np.ones(60))
    high, low = (truth.sum() + 1) / (truth.sum() + 2), 1 / ((truth == 0).sum() + 2)
    targets = np.where(truth == 1, high, low)

    def cost(theta):
        p = 1 / (1 + np.exp(-(theta[0] * 50 * values + theta[1])))
        return -(targets * np.log(p) + (1 - targets) * np.log(1 - p)).sum()

    least = minimize(cost, [1, 0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12}).x
    assert (slope, offset) == pytest.approx((50 * least[0], least[1]), rel=1e-4)


def test_scaling_of_more_classes_has_no_gradient_left():
    rng = np.random.default_rng(1)
    truth = np.arange(90) % 3
    values = np.eye(3)[truth] + rng.normal(size=(90, 3))
    slopes, offsets = platt(values, truth, np.ones(90))
    gap = np.exp(log_probabilities(values * slopes + offsets)) - np.where(
        np.eye(3)[truth] == 1, 31 / 33, 1 / 33
    )
    assert np.abs(gap.sum(axis=0)).max() < 1e-5
    assert np.abs((gap * values).sum(axis=0)).max() < 1e-5


@pytest.mark.parametrize("model", ["logistic", "svm"])
def test_the_strength_is_the_one_with_the_least_cross_validated_loss(model):
    x, truth, unit = example(60, 20)
    unit = np.where(unit < 12, unit % 2, unit)  # two patients with many images: uneven folds
    found = fit_head(samples(x, truth, unit), Solver(model), seed=0, names=NAMES)
    assert [row["c"] for row in found.tried] == list(STRENGTHS[model])
    losses = [row["loss_cv"] for row in found.tried]
    assert found.c == found.tried[int(np.argmin(losses))]["c"]
    assert 0.5 < found.score()["auroc_cv"] <= 1
    assert found.score()["auroc_cv_spread"] > 0


def test_the_cross_validated_loss_is_that_of_a_loop_over_folds():
    x, truth, unit = example(40, 60)
    found = fit_head(samples(x, truth, unit), Solver("logistic"), seed=5, names=NAMES)
    fold = patient_folds(unit, truth, most=5, seed=5)
    for row in found.tried[1:4]:
        losses = []
        for left in range(5):
            model = make_pipeline(StandardScaler(), LogisticRegression(C=row["c"], tol=1e-9))
            model.fit(x[fold != left].astype(float), truth[fold != left])
            p = model.predict_proba(x[fold == left])
            losses.append(log_loss(truth[fold == left], p, labels=[0, 1]))
        assert row["loss_cv"] == pytest.approx(np.mean(losses), abs=1e-5)
        assert row["loss_cv_spread"] == pytest.approx(np.std(losses, ddof=1), abs=1e-5)


def test_labels_without_signal_are_not_sold_as_one():
    """Chosen by cross-validation, the head of noise stays near the frequency of the classes."""
    x, truth, unit = example(60, 200)
    truth = np.random.default_rng(3).permutation(30).repeat(2) % 2
    found = fit_head(samples(x, truth, unit), Solver("logistic"), seed=0, names=NAMES)
    assert found.c <= 1e-3
    assert found.score()["loss_cv"] == pytest.approx(np.log(2), abs=0.1)


@pytest.mark.parametrize("seed", range(5))
def test_folds_keep_patients_whole_and_have_every_class(seed):
    rng = np.random.default_rng(seed)
    unit = rng.permutation(70) % 20
    truth = (unit % 4 == 0).astype(int)
    fold = patient_folds(unit, truth, most=5, seed=seed)
    assert set(fold) == set(range(5))
    for one in np.unique(unit):
        assert len(set(fold[unit == one])) == 1
    for left in range(5):
        assert set(truth[fold != left]) == {0, 1}
        assert abs((fold == left).mean() - 0.2) < 0.1


def test_a_class_of_few_patients_lessens_the_folds_and_one_patient_allows_none():
    unit = np.repeat(np.arange(10), 2)
    assert patient_folds(unit, (unit < 3).astype(int), most=5, seed=0).max() == 2
    assert patient_folds(unit, (unit < 1).astype(int), most=5, seed=0).max() == 0


def test_one_patient_of_a_class_is_refused_unless_the_strength_is_named():
    x, truth, _ = example(8, 4)
    unit = np.where(truth == 1, 0, np.arange(8))  # many images, one patient
    few = samples(x, truth, unit)
    with pytest.raises(
        TrainingError, match=r"needs two patients or more of every class.*'b' has 1.*linear:c="
    ):
        fit_head(few, Solver("logistic"), seed=0, names=NAMES[:2])
    with pytest.raises(TrainingError, match=r"probabilities of an svm.*'b' has 1"):
        fit_head(few, Solver("svm", c=0.1), seed=0, names=NAMES[:2])
    found = fit_head(few, Solver("logistic", c=0.1), seed=0, names=NAMES[:2])
    assert (found.folds, len(found.tried)) == (1, 1)
    assert {name for name, value in found.score().items() if value is not None} == {"c"}


def test_views_count_as_their_image_and_stay_in_its_fold():
    """Views equal to the image change nothing: not the strength, not the folds, not the weights."""
    x, truth, unit = example(40, 10)
    one = fit_head(samples(x, truth, unit), Solver("logistic"), seed=0, names=NAMES)
    several = Samples(np.stack([x] * 3), truth, np.ones(40), unit)
    same = fit_head(several, Solver("logistic", views=2), seed=0, names=NAMES)
    assert same.c == one.c
    assert same.weights == pytest.approx(one.weights, abs=1e-5)
    assert same.score() == pytest.approx(one.score(), abs=1e-5)


def test_a_feature_that_does_not_vary_has_no_weight():
    x, truth, unit = example(40, 6)
    x[:, 2] = 0.1
    x[:, 3] = 1e4 * (1 + 1e-7 * np.arange(40))  # nothing but the rounding of float32
    found = fit_head(samples(x, truth, unit), Solver("logistic", c=1), seed=0, names=NAMES)
    assert (found.weights[:, 2:4] == 0).all()
    assert (found.weights[:, [0, 1, 4, 5]] != 0).all()
