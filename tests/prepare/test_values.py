"""What the single steps do to values and shapes, against formulas and loops."""

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medgraft.errors import ArgumentError, ReadError
from medgraft.prepare.pipeline import pipeline
from medgraft.read.scan import Scan
from tests.prepare.scans import scan


def apply(spec, made):
    (step,) = pipeline([spec])
    return step(made)


def test_window_is_its_formula():
    made = scan((30, 30), dtype=np.int16)
    done = apply("window:low=-1000,high=400", made)
    for value, result in zip(made.array.flat[:200], done.array.flat[:200], strict=True):
        assert result == pytest.approx(min(max((int(value) + 1000) / 1400, 0), 1), abs=1e-6)


def test_a_window_must_be_wide():
    with pytest.raises(ArgumentError, match="low must be less than high"):
        pipeline(["window:low=5,high=5"])


@pytest.mark.parametrize(
    ("dtype", "span"), [(np.uint8, 255), (np.uint16, 65535), (np.uint16, 4095)]
)
def test_declared_range_becomes_zero_to_one(dtype, span):
    array = np.random.default_rng(0).integers(0, span, (1, 40, 40), dtype, endpoint=True)
    done = apply("intensity", Scan(array, value_range=(0, span)))
    np.testing.assert_allclose(done.array, array / span, atol=1e-6)


def test_a_dark_picture_of_declared_range_stays_dark():
    array = np.full((1, 9, 9), 3, np.uint8)
    assert apply("intensity", Scan(array, value_range=(0, 255))).array.max() < 0.02


def test_without_a_range_percentiles_decide_and_one_hot_pixel_does_not():
    array = np.random.default_rng(0).normal(100, 10, (1, 100, 100))
    array[0, 5, 5] = 1e6
    done = apply("intensity:low=1,high=99", Scan(array))
    low, high = np.percentile(array, [1, 99])
    np.testing.assert_allclose(done.array, ((array - low) / (high - low)).clip(0, 1), atol=1e-6)
    assert 0.4 < np.median(done.array) < 0.6


@pytest.mark.parametrize("modality", ["MR", "PT", "NM"])
def test_modalities_without_a_scale_are_stretched_whatever_their_bits(modality):
    array = np.random.default_rng(0).integers(0, 900, (1, 50, 50)).astype(np.uint16)
    done = apply("intensity", Scan(array, modality=modality, value_range=(0, 65535)))
    assert done.array.max() == 1


def test_declared_false_takes_percentiles():
    array = np.random.default_rng(0).integers(0, 90, (1, 50, 50)).astype(np.uint8)
    done = apply("intensity:declared=false", Scan(array, value_range=(0, 255)))
    assert done.array.max() == 1


def test_large_values_keep_their_differences():
    """Above 2**24 neighbours are one number in float32."""
    array = (2**30 + np.arange(100).reshape(1, 10, 10)).astype(np.int64)
    done = apply("intensity:low=0,high=100", Scan(array))
    np.testing.assert_allclose(done.array.reshape(-1), np.arange(100) / 99, atol=1e-6)


def test_a_sparse_picture_is_not_flattened():
    array = np.zeros((1, 100, 100), np.float32)
    array[0, 3, 3] = 7
    assert apply("intensity", Scan(array)).array.max() == 1


@pytest.mark.parametrize("hole", [np.nan, np.inf])
def test_holes_are_refused_until_they_are_filled(hole):
    array = np.ones((1, 8, 8), np.float32)
    array[0, 2, 2] = hole
    with pytest.raises(ReadError, match="1 of its 64 values are NaN or infinite") as caught:
        apply("intensity", Scan(array, source="a.nii"))
    assert "fill_nan" in caught.value.remedy
    assert apply("fill_nan:value=0", Scan(array)).array[0, 2, 2] == 0
    assert apply("fill_nan", Scan(array)).array[0, 2, 2] == 1  # the least value that there is


def test_standardise_is_the_clipped_z_score():
    made = scan((40, 40), dtype=np.float32)
    done = apply("standardise:limit=2", made)
    score = (made.array - made.array.mean()) / made.array.std()
    np.testing.assert_allclose(done.array, (0.5 + score / 4).clip(0, 1), atol=1e-4)


def test_colour_becomes_luminance():
    made = scan((5, 6), channels=3)
    done = apply("channels:count=1", made)
    red, green, blue = made.array.astype(float)
    np.testing.assert_allclose(done.array[0], 0.299 * red + 0.587 * green + 0.114 * blue, atol=1e-3)


def test_grey_becomes_three_equal_channels():
    made = scan((5, 6))
    done = apply("channels:count=3", made)
    assert all((channel == made.array[0]).all() for channel in done.array)


@pytest.mark.parametrize(("channels", "count", "kept"), [(2, 1, [0]), (4, 3, [0, 1, 2])])
def test_transparency_is_dropped(channels, count, kept):
    made = scan((5, 6), channels=channels)
    np.testing.assert_array_equal(apply(f"channels:count={count}", made).array, made.array[kept])


@pytest.mark.parametrize(("size", "channels"), [((4, 4, 4), 4), ((4, 4), 7)])
def test_time_points_are_not_taken_for_colours(size, channels):
    with pytest.raises(ReadError, match=f"has {channels}"):
        apply("channels:count=1", scan(size, channels=channels))


@settings(max_examples=30, deadline=None)
@given(size=st.lists(st.integers(1, 20), min_size=2, max_size=3))
def test_padding_adds_pixels_evenly_and_changes_none(size):
    made = scan(tuple(size))
    done = apply("pad_square", made)
    side = max(size)
    assert done.array.shape == (1,) + (side,) * len(size)
    inside = tuple(slice((side - n) // 2, (side - n) // 2 + n) for n in size)
    np.testing.assert_array_equal(done.array[(0, *inside)], made.array[0])
    assert done.array.sum(dtype=np.int64) == made.array.sum(dtype=np.int64)


def test_padding_with_edges_repeats_them():
    done = apply("pad_square:fill=edge", scan((50, 1)))
    assert (done.array == done.array[:, :, :1]).all()


def test_padding_of_values_without_a_range_takes_the_least():
    made = scan((4, 8), dtype=np.float32)
    assert apply("pad_square", made).array[0, 0, 0] == made.array.min()


@settings(max_examples=40, deadline=None)
@given(
    top=st.integers(0, 9),
    left=st.integers(0, 9),
    ground=st.integers(0, 255),
    frame=st.integers(0, 3),
    seed=st.integers(0, 5),
)
def test_the_box_of_the_content_is_found_inside_its_frames(top, left, ground, frame, seed):
    content = np.random.default_rng(seed).integers(0, 256, (21, 30)).astype(np.uint8)
    picture = np.full((50, 50), ground, np.uint8)
    picture[top + 4 : top + 25, left + 4 : left + 34] = content
    framed = np.pad(picture, frame, constant_values=255 - ground)
    done = apply("crop_to_content:frames=2", Scan(framed[None], value_range=(0, 255)))
    np.testing.assert_array_equal(done.array[0], content)


@pytest.mark.parametrize("value", [0, 255])
def test_an_empty_film_is_left_as_it_is(value):
    made = Scan(np.full((1, 30, 30), value, np.uint8))
    assert apply("crop_to_content", made).array.shape == (1, 30, 30)


def test_dust_does_not_hold_the_box_open():
    film = np.zeros((1, 100, 100), np.uint8)
    film[0, 40:60, 30:70] = 200
    film[0, 5, 95] = 255
    assert apply("crop_to_content", Scan(film)).array.shape == (1, 20, 40)


def test_margin_keeps_pixels_around_the_content():
    film = np.zeros((1, 100, 100), np.uint8)
    film[0, 40:60, 30:70] = 200
    assert apply("crop_to_content:margin=35", Scan(film)).array.shape == (1, 90, 100)


@settings(max_examples=30, deadline=None)
@given(st.permutations([0, 1, 2]), st.tuples(*[st.sampled_from([-1, 1])] * 3))
def test_orientation_agrees_with_nibabel(order, signs):
    rotation = np.zeros((3, 3))
    rotation[order, range(3)] = np.array(signs) * [0.5, 1.0, 3.0]
    tilt = np.array([[1, 0.1, 0], [-0.1, 1, 0.05], [0, -0.05, 1]])
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = tilt @ rotation, [5, -7, 11]
    array = np.random.default_rng(0).normal(size=(4, 5, 6)).astype(np.float32)
    spacing = tuple(np.linalg.norm(affine[:3, :3], axis=0))
    done = apply("orient", Scan(array[None], spacing, affine))
    expected = nibabel.as_closest_canonical(nibabel.Nifti1Image(array, affine))
    np.testing.assert_array_equal(done.array[0], expected.get_fdata().astype(np.float32))
    np.testing.assert_allclose(done.affine, expected.affine, atol=1e-6)


def test_orientation_of_an_unplaced_volume_is_refused():
    with pytest.raises(ReadError, match="how the volume lies"):
        apply("orient", scan((4, 4, 4), placed=False))
