"""Steps together, and the array that comes out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medgraft.errors import ArgumentError, ReadError, UnknownNameError
from medgraft.prepare import canonical, default_steps, pipeline, prepare
from medgraft.prepare.pipeline import wants_file_window
from medgraft.read.scan import Scan
from tests.prepare.scans import scan


@settings(max_examples=40, deadline=None)
@given(
    size=st.lists(st.integers(1, 70), min_size=2, max_size=3),
    channels=st.sampled_from([1, 3]),
    dtype=st.sampled_from([np.uint8, np.uint16, np.int16, np.float32]),
    wanted=st.sampled_from([1, 3]),
    window=st.sampled_from([None, (-100, 400), "file"]),
)
def test_the_default_steps_give_one_shape_and_range(size, channels, dtype, wanted, window):
    chain = pipeline(default_steps(16, wanted, window))
    result = prepare(scan(tuple(size), channels=channels, dtype=dtype), chain)
    assert result.shape == (wanted,) + (16,) * len(size)
    assert result.dtype == np.float32
    assert result.flags.c_contiguous
    assert result.min() >= 0
    assert result.max() <= 1


def test_canonical_specs_build_the_same_steps():
    chain = pipeline(["file_window", *default_steps(32, 3), "crop_to_content:margin=2"])
    assert pipeline(canonical(chain)) == chain


def test_equal_chains_have_equal_specs_however_they_were_written():
    assert canonical(pipeline(["resize:side=8", "intensity:low=0.5"])) == canonical(
        pipeline(["resize:side=8", "intensity"])
    )


def test_values_out_of_range_are_refused_with_the_step_that_is_missing():
    with pytest.raises(ArgumentError, match=r"must lie in \[0, 1\].*Add the step intensity"):
        prepare(scan((8, 8)), pipeline(["resize:side=4"]))


def test_nan_does_not_pass():
    with pytest.raises(ArgumentError, match=r"must lie in \[0, 1\]"):
        prepare(Scan(np.full((1, 2, 2), np.nan, np.float32)), ())


def test_an_image_without_pixels_is_refused():
    with pytest.raises(ReadError, match="no pixels"):
        prepare(Scan(np.zeros((1, 0, 5), np.uint8)), pipeline(default_steps(8, 1)))


def test_the_file_window_comes_first_or_not_at_all():
    assert wants_file_window(pipeline(["file_window", "intensity"]))
    assert not wants_file_window(pipeline(["intensity"]))
    with pytest.raises(ArgumentError, match="file_window must be the first"):
        pipeline(["intensity", "file_window"])


def test_a_misspelt_step_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'resize'"):
        pipeline(["resise:side=3"])


@pytest.mark.parametrize("spec", ["resize", "resize:side=0", "resize:side=big", "channels:count=2"])
def test_wrong_options_are_errors(spec):
    with pytest.raises(ArgumentError):
        pipeline([spec])
