"""Measures of samples against their definitions in loops, scikit-learn and scipy."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics.pairwise import polynomial_kernel
from sklearn.neighbors import NearestNeighbors

from medgraft.errors import ArgumentError, ShapeError, UndefinedMetricError
from medgraft.generate.quality import distances
from medgraft.generate.quality.collapse import spread_of_counts, twins
from medgraft.generate.quality.copying import copies, copying
from medgraft.generate.quality.distances import nearest, nearest_other
from medgraft.generate.quality.kernel import kernel_distance, kernel_distance_of_counts
from medgraft.generate.quality.manifold import manifold
from medgraft.generate.quality.measures import Features, judge
from medgraft.generate.quality.resampling import Resampling

SEEDS = st.integers(0, 10**6)


def sets(seed, n=17, m=13, columns=4, shift=0.5):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, columns)), rng.normal(size=(m, columns)) + shift


@pytest.fixture(params=[2**22, 20], ids=["one block", "many blocks"], autouse=True)
def blocks(request, monkeypatch):
    """All measures must say the same whether they see everything at once or a row at a time."""
    monkeypatch.setattr(distances, "NUMBERS", request.param)
    monkeypatch.setattr("medgraft.generate.quality.kernel.NUMBERS", request.param)


# --- neighbours ------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 3])
def test_neighbours_are_those_of_scikit_learn(k):
    a, b = sets(0, n=50, m=40)
    there, rows = NearestNeighbors(n_neighbors=1).fit(b).kneighbors(a)
    found, far = nearest(a, b)
    np.testing.assert_array_equal(found, rows[:, 0])
    np.testing.assert_allclose(far, there[:, 0])
    own, _ = NearestNeighbors(n_neighbors=k).fit(a).kneighbors()
    np.testing.assert_allclose(nearest_other(a, k), own[:, -1])


def test_a_copy_lies_at_distance_nought_even_among_large_numbers():
    a, _ = sets(0)
    _, far = nearest(a + 1e6, a[::-1] + 1e6)
    assert (far == 0).all()


def test_more_neighbours_than_images_are_refused():
    with pytest.raises(ArgumentError, match="from 1 to the 3 images of a set less one, got 3"):
        nearest_other(np.zeros((3, 2)), k=3)


# --- kernel distance -------------------------------------------------------------------------


def kernel_by_definition(a, b):
    def k(x, y):
        return (x @ y / len(x) + 1) ** 3

    within = [
        np.mean([k(x, y) for i, x in enumerate(s) for j, y in enumerate(s) if i != j])
        for s in (a, b)
    ]
    return sum(within) - 2 * np.mean([k(x, y) for x in a for y in b])


@given(SEEDS, st.integers(2, 9), st.integers(2, 9))
def test_kernel_distance_is_its_definition_in_loops(seed, n, m):
    a, b = sets(seed, n, m)
    np.testing.assert_allclose(kernel_distance(a, b), kernel_by_definition(a, b), rtol=1e-9)
    np.testing.assert_allclose(kernel_distance(b, a), kernel_distance(a, b), rtol=1e-9)


def test_kernel_is_the_polynomial_of_scikit_learn():
    a, b = sets(1)
    cross = polynomial_kernel(a, b, degree=3).mean()
    within = [
        (k.sum() - np.trace(k)) / (len(k) * (len(k) - 1))
        for k in (polynomial_kernel(s, degree=3) for s in (a, b))
    ]
    assert kernel_distance(a, b) == pytest.approx(sum(within) - 2 * cross)


def test_kernel_distance_has_no_bias_however_few_images():
    rng = np.random.default_rng(0)
    found = [kernel_distance(*rng.normal(size=(2, 5, 3))) for _ in range(800)]
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(len(found))


def test_an_image_that_is_drawn_twice_makes_no_pair_with_itself():
    a, b = sets(2, n=4, m=3)
    counts = np.array([[2.0, 1.0, 0.0, 1.0]])
    pairs = [(i, j) for i in range(4) for j in range(4) if i != j]
    k = polynomial_kernel(a, degree=3)
    weight = {(i, j): counts[0, i] * counts[0, j] for i, j in pairs}
    within = sum(k[p] * w for p, w in weight.items()) / sum(weight.values())
    other = polynomial_kernel(b, degree=3)
    theirs = (other.sum() - np.trace(other)) / 6
    cross = (counts[0] @ polynomial_kernel(a, b, degree=3)).sum() / 12
    found = kernel_distance_of_counts(a, b, counts, np.ones((1, 3)))
    np.testing.assert_allclose(found, within + theirs - 2 * cross)


# --- manifold --------------------------------------------------------------------------------


@given(SEEDS, st.integers(1, 4))
def test_manifold_is_its_definition_in_loops(seed, k):
    real, fake = sets(seed)

    def balls(points):
        return [sorted(np.linalg.norm(points - p, axis=1))[k] for p in points]  # itself first

    def inside(point, centres, radii):
        return [np.linalg.norm(point - c) <= r for c, r in zip(centres, radii, strict=True)]

    of_real, of_fake = balls(real), balls(fake)
    found = manifold(real, fake, k)
    assert found.precise.tolist() == [any(inside(y, real, of_real)) for y in fake]
    assert found.recalled.tolist() == [any(inside(x, fake, of_fake)) for x in real]
    np.testing.assert_allclose(found.dense, [sum(inside(y, real, of_real)) / k for y in fake])
    assert found.covered.tolist() == [
        min(np.linalg.norm(fake - x, axis=1)) <= r for x, r in zip(real, of_real, strict=True)
    ]


def test_a_set_fills_its_own_region_and_nothing_far_away():
    real, _ = sets(0)
    own, far = manifold(real, real, 3), manifold(real, real + 100, 3)
    for name in ("precise", "recalled", "covered"):
        assert getattr(own, name).all()
        assert not getattr(far, name).any()
    assert not far.dense.any()


def test_one_outlier_raises_precision_but_hardly_density():
    rng = np.random.default_rng(0)
    real = np.concatenate([rng.normal(size=(60, 2)), [[40.0, 40.0]]])
    fake = rng.uniform(10, 30, size=(60, 2))
    found = manifold(real, fake, 5)
    assert found.precise.mean() > 0.9
    assert found.dense.mean() < 0.25


# --- copying ---------------------------------------------------------------------------------


@given(SEEDS, st.integers(2, 30), st.integers(2, 30))
def test_share_is_the_statistic_of_mann_and_whitney(seed, n, m):
    rng = np.random.default_rng(seed)
    generated, unseen = rng.integers(0, 8, size=n), rng.integers(0, 8, size=m)
    u = scipy.stats.mannwhitneyu(unseen, generated).statistic
    assert copying(generated, unseen).share == pytest.approx(u / (n * m))


def test_p_is_near_that_of_mann_and_whitney_for_independent_images():
    rng = np.random.default_rng(5)
    generated, unseen = rng.normal(size=150) - 0.1, rng.normal(size=120)
    known = scipy.stats.mannwhitneyu(unseen, generated, alternative="greater").pvalue
    assert 0.01 < known < 0.5
    assert copying(generated, unseen).p == pytest.approx(known, abs=0.02)


def test_images_that_a_patient_has_many_times_make_no_evidence():
    rng = np.random.default_rng(1)
    generated, unseen = rng.normal(size=40) - 0.5, rng.normal(size=15)
    few, many = copying(generated, unseen), np.repeat(unseen, 20)
    patients = np.repeat(np.arange(15), 20)
    known = copying(generated, many, patients)
    assert copying(generated, many).p < few.p / 2
    assert known.p == pytest.approx(few.p, rel=0.05)
    assert known.share == pytest.approx(few.share)


def test_an_honest_generator_is_accused_as_rarely_as_the_level_says():
    rng = np.random.default_rng(2)
    p = [copying(*rng.normal(size=(2, 40))).p for _ in range(600)]
    assert 0.03 < np.mean(np.array(p) < 0.05) < 0.08


def test_a_generator_that_returns_training_images_is_found_out():
    rng = np.random.default_rng(0)
    training, unseen = rng.normal(size=(60, 3)), rng.normal(size=(40, 3))
    stolen = training[rng.integers(0, 60, size=50)] + rng.normal(size=(50, 3)) * 1e-3
    far, near = nearest(unseen, training)[1], nearest(stolen, training)[1]
    found = copying(near, far)
    assert found.share == 1.0
    assert found.p == 0.0
    assert copies(near, far).all()


def test_copying_needs_unseen_images():
    with pytest.raises(UndefinedMetricError, match="2 unseen images, got 5 and 1"):
        copying(np.ones(5), np.ones(1))


# --- collapse --------------------------------------------------------------------------------


@given(SEEDS)
def test_spread_is_the_ratio_of_mean_squared_distances(seed):
    a, b = sets(seed)

    def squared(points):
        pairs = [(p - q) @ (p - q) for i, p in enumerate(points) for q in points[:i]]
        return np.mean(pairs)

    found = spread_of_counts(a, b, np.ones((1, 17)), np.ones((1, 13)))
    np.testing.assert_allclose(found, np.sqrt(squared(b) / squared(a)))


def test_a_generator_of_one_image_has_no_spread_and_twins_alone():
    real, _ = sets(0)
    same = np.repeat(real[:1], 9, axis=0)
    assert spread_of_counts(real, same, np.ones((1, 17)), np.ones((1, 9)))[0] < 1e-7
    assert twins(real, same).all()


def test_real_images_that_do_not_vary_leave_the_spread_undefined():
    same = np.ones((4, 2))
    assert np.isnan(spread_of_counts(same, same, np.ones((1, 4)), np.ones((1, 4))))


# --- all of them -----------------------------------------------------------------------------


def test_judging_tells_good_samples_from_bad_ones_and_from_stolen_ones():
    rng = np.random.default_rng(0)
    training, unseen, good = rng.normal(size=(3, 80, 3))
    bad = rng.normal(size=(80, 3)) * 0.2 + 2

    def of(samples):
        return judge(Features(training), Features(samples), Features(unseen), replicates=40)

    fine, poor, stolen = of(good), of(bad), of(training + 1e-4)
    for measure, up in (("frechet", False), ("kernel", False), ("precision", True), ("coverage", True), ("recall", True), ("spread", True)):  # fmt: skip
        sign = 1 if up else -1
        assert (
            sign * fine["generated"][measure]["value"] > sign * poor["generated"][measure]["value"]
        )
    assert fine["copying"]["p"] > 0.05
    assert stolen["copying"]["p"] < 1e-6
    assert stolen["nearest"] == list(range(80))
    for table in (fine["generated"], fine["real"]):
        assert all(entry["low"] <= entry["high"] for entry in table.values())
    assert fine["real"] == poor["real"]


@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_intervals_of_the_frechet_distance_hold_the_value(shift):
    """Replicates of repeated rows alone would all lie above it."""
    a, b = sets(0, n=60, m=60, columns=10, shift=shift)
    found = judge(Features(a), Features(b), Features(b), replicates=60)["generated"]["frechet"]
    assert 0 <= found["low"] < found["value"] < found["high"]


def test_real_images_are_drawn_by_patient():
    rng = np.random.default_rng(0)
    values = np.repeat(rng.normal(size=10), 8)
    one = Resampling.of(None, None, (80, 2), replicates=400, seed=0).of_first(values)
    whole = Resampling.of(np.repeat(np.arange(10), 8), None, (80, 2), replicates=400, seed=0)
    by_patient = whole.of_first(values)
    assert by_patient["high"] - by_patient["low"] > 2 * (one["high"] - one["low"])


@pytest.mark.parametrize(
    ("second", "error", "message"),
    [
        (np.zeros((5, 3)), ShapeError, r"\(N, D\) and \(M, D\)"),
        (np.zeros((1, 4)), ShapeError, "at least 2 images"),
        (np.full((5, 4), np.nan), ArgumentError, "must be finite"),
    ],
)
def test_sets_that_cannot_be_compared_are_refused(second, error, message):
    with pytest.raises(error, match=message):
        kernel_distance(np.zeros((5, 4)), second)
