import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st

from medgraft.errors import ShapeError
from medgraft.evaluate.frechet import frechet, frechet_of_counts


def by_definition(first, second):
    """Means, covariances and the root of a matrix, by scipy."""
    root = scipy.linalg.sqrtm(np.cov(first.T, bias=True) @ np.cov(second.T, bias=True))
    gap = ((first.mean(axis=0) - second.mean(axis=0)) ** 2).sum()
    both = np.trace(np.cov(first.T, bias=True)) + np.trace(np.cov(second.T, bias=True))
    return gap + both - 2 * np.trace(root).real


def sets(seed, sizes, columns):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(n, columns)) @ rng.normal(size=(columns, columns)) for n in sizes]


@given(st.integers(0, 10**6), st.integers(20, 60), st.integers(20, 60), st.integers(2, 8))
def test_matches_the_definition_where_there_are_more_rows_than_columns(seed, n, m, columns):
    a, b = sets(seed, (n, m), columns)
    np.testing.assert_allclose(frechet(a, b), by_definition(a, b), rtol=1e-6, atol=1e-6)


@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(1, 40), st.integers(1, 30))
def test_is_symmetric_zero_on_itself_and_moved_by_the_square_of_a_shift(seed, n, m, columns):
    a, b = sets(seed, (n, m), columns)
    scale = 1e-10 * (1 + (a**2).sum() + (b**2).sum())
    assert abs(frechet(a, a)) <= scale
    np.testing.assert_allclose(frechet(a, b), frechet(b, a), atol=scale)
    np.testing.assert_allclose(frechet(a, a + 2), 4 * columns, rtol=1e-8, atol=scale)


def test_approaches_the_closed_form_of_gaussians_whose_covariances_commute():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 200_000, 3)) * np.array([[[1, 2, 3]], [[2, 2, 1]]])
    assert frechet(a, b + 1) == pytest.approx(3 + (1 - 2) ** 2 + (3 - 1) ** 2, rel=0.02)


def test_counts_stand_for_repeated_rows():
    a, b = sets(3, (9, 12), 20)
    rng = np.random.default_rng(1)
    one, other = (rng.multinomial(len(x), np.full(len(x), 1 / len(x)), size=4) for x in (a, b))
    repeated = [
        frechet(np.repeat(a, c, axis=0), np.repeat(b, d, axis=0))
        for c, d in zip(one, other, strict=True)
    ]
    np.testing.assert_allclose(frechet_of_counts(a, b, one, other), repeated, rtol=1e-9)


def test_of_one_distribution_it_falls_with_the_number_of_rows():
    a, b = np.random.default_rng(0).normal(size=(2, 4000, 5))
    assert frechet(a[:40], b[:40]) > 3 * frechet(a, b) > 0


@pytest.mark.parametrize("shape", [(0, 2), (3,), (3, 4)])
def test_sets_that_do_not_fit_are_refused(shape):
    with pytest.raises(ShapeError, match=r"shapes \(N, D\) and \(M, D\)"):
        frechet(np.zeros((3, 2)), np.zeros(shape))
