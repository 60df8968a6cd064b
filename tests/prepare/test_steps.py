"""What every preparation step promises. A new one is tested here without being named."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medgraft.errors import ArgumentError
from medgraft.prepare.steps import Erasing, ground_of, steps
from medgraft.spec import build, write
from tests.prepare.scans import scan

NAMES = steps.names()
SIZES = {2: [(17, 23), (50, 1), (1, 1), (64, 64)], 3: [(7, 9, 12), (1, 5, 1)]}
CASES = [
    pytest.param(name, size, id=f"{name}-{'x'.join(map(str, size))}")
    for name in NAMES
    for dims in sorted(steps.get(name).dims)
    for size in SIZES[dims]
]
DTYPES = [np.uint8, np.uint16, np.int16, np.float32, np.float64]


def example(name):
    return build(steps, steps.get(name).example)


@pytest.mark.parametrize("name", NAMES)
def test_a_step_is_written_as_a_spec_and_read_back_equal(name):
    step = example(name)
    assert build(steps, write(step.name, step)) == step
    assert step.name == name


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_option_is_an_error(name):
    separator = "," if ":" in steps.get(name).example else ":"
    with pytest.raises(ArgumentError, match="no option is called 'nonsense'"):
        build(steps, f"{steps.get(name).example}{separator}nonsense=1")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "size"), CASES)
def test_a_step_is_deterministic_finite_in_range_and_leaves_its_input_alone(name, size, dtype):
    given_scan = scan(size, dtype=dtype)
    given_scan.array.setflags(write=False)
    affine, array = given_scan.affine.copy(), given_scan.array.copy()
    first, second = example(name)(given_scan), example(name)(given_scan)
    np.testing.assert_array_equal(first.array, second.array)
    np.testing.assert_array_equal(given_scan.array, array)
    np.testing.assert_array_equal(given_scan.affine, affine)
    assert first.array.size > 0
    assert np.isfinite(first.array).all()
    if first.value_range is not None:
        low, high = first.value_range
        slack = 1e-5 * (high - low)
        assert first.array.min() >= low - slack
        assert first.array.max() <= high + slack


@pytest.mark.parametrize(("name", "size"), CASES)
def test_spacing_agrees_with_the_affine(name, size):
    done = example(name)(scan(size))
    columns = np.linalg.norm(done.affine[:3, : done.dims], axis=0)
    np.testing.assert_allclose(done.spacing_mm, columns, rtol=1e-9)


@pytest.mark.parametrize(("name", "size"), CASES)
def test_what_a_pixel_shows_stays_where_it_is(name, size):
    """The array holds its old index along one axis; the affine must find it again there.

    An area mean of a ramp may be an eighth of a pixel off, a forgotten half pixel is more.
    """
    made, step = scan(size, dtype=np.float32), example(name)
    old_index = np.indices(size).astype(np.float32)
    for axis in range(len(size)):
        done = step(replace(made, array=old_index[axis : axis + 1]))
        if done.value_range is not None or isinstance(step, Erasing):
            return  # it changes values by design; test_values.py looks at those
        new_index = np.ones((4, *done.array.shape[1:]))
        new_index[: done.dims] = np.indices(done.array.shape[1:])
        new_index[done.dims : 3] = 0
        place = np.tensordot(np.linalg.inv(made.affine) @ done.affine, new_index, axes=1)
        inside = np.all(
            [(p > 0.5) & (p < n - 1.5) for p, n in zip(place, size, strict=False)], axis=0
        )
        np.testing.assert_allclose(done.array[0][inside], place[axis][inside], atol=0.126)


ERASING = [name for name in NAMES if issubclass(steps.get(name), Erasing)]


@settings(max_examples=20, deadline=None)
@given(
    name=st.sampled_from(ERASING),
    size=st.tuples(st.integers(1, 80), st.integers(1, 80)),
    channels=st.sampled_from([1, 3]),
    dtype=st.sampled_from(DTYPES),
)
def test_erasing_keeps_what_it_says_to_the_bit_and_blackens_the_rest(name, size, channels, dtype):
    step, made = example(name), scan(size, channels=channels, dtype=dtype)
    kept, done = step.kept(made), step(made)
    assert kept.shape == size
    assert kept.dtype == bool
    assert done.array.dtype == made.array.dtype
    np.testing.assert_array_equal(done.array[:, kept], made.array[:, kept])
    assert (done.array[:, ~kept] == ground_of(made)).all()
    np.testing.assert_array_equal(done.affine, made.affine)


@settings(max_examples=40, deadline=None)
@given(
    size=st.lists(st.integers(1, 60), min_size=2, max_size=3),
    channels=st.sampled_from([1, 3]),
    dtype=st.sampled_from(DTYPES),
    name=st.sampled_from(NAMES),
)
def test_any_size_down_to_one_pixel_works(size, channels, dtype, name):
    step = example(name)
    if len(size) in step.dims:
        done = step(scan(tuple(size), channels=channels, dtype=dtype))
        assert done.dims == len(size)
        assert np.isfinite(done.array).all()
