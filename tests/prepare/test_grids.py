"""Shrinking and growing against their definitions in loops, and against scipy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from medgraft.errors import ReadError
from medgraft.prepare.pipeline import pipeline
from medgraft.read.scan import Scan
from tests.prepare.scans import scan


def apply(spec, made):
    (step,) = pipeline([spec])
    return step(made)


def area_mean_in_loops(image, rows, columns):
    """Mean over the part of the old picture that each new pixel covers, pixel by pixel."""
    old_rows, old_columns = image.shape
    result = np.zeros((rows, columns))
    for r in range(rows):
        for c in range(columns):
            top, bottom = r * old_rows / rows, (r + 1) * old_rows / rows
            left, right = c * old_columns / columns, (c + 1) * old_columns / columns
            total = weight = 0.0
            for i in range(old_rows):
                for j in range(old_columns):
                    tall = max(0.0, min(bottom, i + 1) - max(top, i))
                    wide = max(0.0, min(right, j + 1) - max(left, j))
                    total += tall * wide * image[i, j]
                    weight += tall * wide
            result[r, c] = total / weight
    return result


@settings(max_examples=25, deadline=None)
@given(
    old=st.tuples(st.integers(4, 14), st.integers(4, 14)),
    new=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    seed=st.integers(0, 9),
)
def test_shrinking_is_the_area_mean(old, new, seed):
    made = scan(old, seed=seed)
    done = apply(f"resize:side={new[0]};{new[1]}", made)
    np.testing.assert_allclose(done.array[0], area_mean_in_loops(made.array[0], *new), atol=1e-3)


def test_growing_is_scipys_linear_interpolation_with_held_edges():
    made = scan((9, 7), dtype=np.float32)
    done = apply("resize:side=25;30", made)
    rows = (np.arange(25) + 0.5) * 9 / 25 - 0.5
    columns = (np.arange(30) + 0.5) * 7 / 30 - 0.5
    places = np.meshgrid(rows, columns, indexing="ij")
    expected = ndimage.map_coordinates(made.array[0].astype(float), places, order=1, mode="nearest")
    np.testing.assert_allclose(done.array[0], expected, atol=1e-3)


@pytest.mark.parametrize("size", [(50, 1), (1, 1), (3, 200), (1, 64)])
def test_resize_takes_any_picture(size):
    done = apply("resize:side=64", scan(size))
    assert done.array.shape == (1, 64, 64)


@settings(max_examples=25, deadline=None)
@given(size=st.lists(st.integers(1, 40), min_size=2, max_size=3), side=st.integers(1, 50))
def test_a_constant_picture_stays_constant(size, side):
    made = Scan(np.full((1, *size), 200, np.uint8), value_range=(0, 255))
    np.testing.assert_allclose(apply(f"resize:side={side}", made).array, 200, rtol=1e-5)


def test_fine_texture_does_not_turn_into_waves():
    """Alternating lines of 0 and 1, halved by sampling, give any level; by area, one half."""
    lines = np.tile(np.array([0.0, 1.0], np.float32), 60)
    made = Scan(np.broadcast_to(lines, (1, 120, 120)).copy())
    done = apply("resize:side=30", made)
    np.testing.assert_allclose(done.array, 0.5, atol=1e-6)


def test_resampling_to_a_finer_grid_agrees_with_scipy_in_three_dimensions():
    made = Scan(
        np.random.default_rng(0).normal(size=(1, 6, 8, 5)).astype(np.float32),
        spacing_mm=(3.0, 1.0, 2.0),
    )
    done = apply("resample:spacing_mm=0.8", made)
    assert done.spacing_mm == pytest.approx((0.8, 0.8, 0.8))
    sizes = [round(n * s / 0.8) for n, s in zip((6, 8, 5), (3, 1, 2), strict=True)]
    assert list(done.array.shape[1:]) == sizes
    axes = [
        (old - 1) / 2 + (np.arange(new) - (new - 1) / 2) * 0.8 / s
        for old, new, s in zip((6, 8, 5), sizes, (3, 1, 2), strict=True)
    ]
    expected = ndimage.map_coordinates(
        made.array[0].astype(float), np.meshgrid(*axes, indexing="ij"), order=1, mode="nearest"
    )
    np.testing.assert_allclose(done.array[0], expected, atol=1e-5)


def test_resampling_by_a_whole_factor_is_scipys_box_mean():
    made = Scan(
        np.random.default_rng(1).normal(size=(1, 12, 15)).astype(np.float32), spacing_mm=(1, 1)
    )
    done = apply("resample:spacing_mm=3", made)
    expected = ndimage.uniform_filter(made.array[0].astype(float), 3)[1::3, 1::3]
    np.testing.assert_allclose(done.array[0], expected, atol=1e-5)


def test_resampling_needs_the_spacing_and_says_so():
    with pytest.raises(ReadError, match="needs the distance between pixels"):
        apply("resample:spacing_mm=1", scan((8, 8), placed=False))


def test_a_target_far_below_the_spacing_is_refused_before_memory_is_taken():
    made = Scan(np.zeros((1, 100, 100), np.uint8), spacing_mm=(1.0, 1.0))
    with pytest.raises(ReadError, match="would have 1000000 x 1000000"):
        apply("resample:spacing_mm=0.0001", made)


@pytest.mark.parametrize("spec", ["resize:side=8;8;8", "resample:spacing_mm=1.0;1.0;1.0"])
def test_a_number_per_axis_must_fit_the_axes(spec):
    with pytest.raises(ReadError, match="2 spatial axes"):
        apply(spec, scan((20, 20)))
