"""Masks follow their images, and predictions find back: checked pixel by pixel in loops."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medgraft.errors import ReadError, ShapeError
from medgraft.prepare import pipeline, prepare
from medgraft.prepare.geometry import Geometry, prepare_mask, prepare_placed, restore
from medgraft.read import read
from medgraft.read.scan import Scan
from tests.prepare.scans import scan

CHAINS = [
    ["intensity"],
    ["intensity", "pad_square"],
    ["intensity", "crop_to_content", "pad_square", "resize:side=20"],
    ["intensity", "crop_or_pad:side=12"],
    ["channels:count=1", "intensity", "resample:spacing_mm=0.7", "crop_or_pad:side=16"],
]
WHOLE = ["orient", "intensity", "crop_or_pad:side=30"]


def place_in_file(geometry, index):
    """Where a prepared pixel lies in the file, by the definition of the fields."""
    place = [0.0] * len(index)
    for k, n in enumerate(index):
        place[geometry.axes[k]] = geometry.offsets[k] + geometry.scales[k] * n
    return place


@pytest.mark.parametrize("chain", CHAINS, ids=" ".join)
@pytest.mark.parametrize("size", [(11, 17), (5, 9, 7)], ids=str)
@pytest.mark.parametrize("placed", [True, False])
def test_a_mask_holds_what_lies_nearest_in_the_file(chain, size, placed):
    if not placed and any(step.startswith("resample") for step in chain):
        pytest.skip("resample needs a spacing")
    image = scan(size, placed=placed)
    mask = np.random.default_rng(1).integers(0, 4, (1, *size)).astype(np.uint8)
    array, geometry = prepare_placed(image, pipeline(chain))
    np.testing.assert_array_equal(array, prepare(image, pipeline(chain)))
    moved = prepare_mask(mask, geometry, fill=9)
    assert moved.shape[1:] == array.shape[1:]
    for index in itertools.product(*map(range, moved.shape[1:])):
        place = place_in_file(geometry, index)
        near = [int(np.floor(p + 0.5 + 1e-6)) for p in place]
        inside = all(0 <= p < n for p, n in zip(near, size, strict=True))
        assert moved[(0, *index)] == (mask[(0, *near)] if inside else 9)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
@pytest.mark.parametrize("flips", list(itertools.product([1, -1], repeat=3)), ids=str)
def test_every_orientation_comes_back_to_the_bit(order, flips):
    affine = np.eye(4)
    affine[:3, :3] = (np.diag(flips) * (0.5, 1.0, 3.0))[:, order]
    affine[:3, 3] = (-20, 7, 113.25)
    given = Scan(
        np.random.default_rng(0).normal(size=(1, 6, 9, 4)).astype(np.float32),
        tuple(np.linalg.norm(affine[:3, :3], axis=0).tolist()),
        affine,
    )
    mask = np.random.default_rng(1).integers(0, 3, given.array.shape).astype(np.uint8)
    _, geometry = prepare_placed(given, pipeline(WHOLE))
    np.testing.assert_array_equal(restore(prepare_mask(mask, geometry), geometry), mask)


def test_an_image_and_its_own_values_as_mask_are_moved_alike():
    image = scan((7, 10, 5), dtype=np.uint8)
    array, geometry = prepare_placed(image, pipeline(["orient", "intensity", "pad_square"]))
    np.testing.assert_array_equal(np.rint(array * 255), prepare_mask(image.array, geometry))


@settings(max_examples=60, deadline=None)
@given(
    size=st.lists(st.integers(1, 40), min_size=2, max_size=3),
    side=st.integers(1, 40),
)
def test_enlarging_by_any_factor_and_back_loses_no_pixel(size, side):
    image = scan(tuple(size))
    mask = np.random.default_rng(2).integers(0, 5, (1, *size)).astype(np.uint8)
    sides = ";".join(str(n + side) for n in size)
    _, geometry = prepare_placed(image, pipeline(["intensity", f"resize:side={sides}"]))
    np.testing.assert_array_equal(restore(prepare_mask(mask, geometry), geometry), mask)


def test_probabilities_return_smoothly_and_sum_to_one_where_something_was_seen():
    image = scan((30, 21))
    _, geometry = prepare_placed(image, pipeline(["intensity", "pad_square", "resize:side=16"]))
    share = np.random.default_rng(3).random((1, 16, 16)).astype(np.float32)
    back = restore(np.concatenate([share, 1 - share]), geometry)
    assert back.shape == (2, 30, 21)
    assert back.dtype == np.float32
    np.testing.assert_allclose(back.sum(axis=0), 1, atol=1e-6)
    # a ramp in the file is a ramp after the round trip, away from the borders
    ramp = np.linspace(0, 1, 16, dtype=np.float32)[None, :, None].repeat(16, axis=2)
    steps = np.diff(restore(ramp, geometry)[0, 2:-2, 5])
    np.testing.assert_allclose(steps, 16 / 30 / 15, rtol=1e-4)


def test_what_was_cut_away_is_filled():
    image = scan((10, 8))
    _, geometry = prepare_placed(image, pipeline(["intensity", "crop_or_pad:side=4"]))
    back = restore(np.full((1, 4, 4), 2, np.uint8), geometry)
    expected = np.zeros((1, 10, 8), np.uint8)
    expected[0, 3:7, 2:6] = 2
    np.testing.assert_array_equal(back, expected)


def test_a_geometry_is_written_and_read_back_equal():
    _, geometry = prepare_placed(scan((5, 6, 7)), pipeline(WHOLE))
    assert Geometry.of_record(geometry.record()) == geometry


def test_wrong_shapes_and_a_volume_without_a_place_are_refused():
    _, geometry = prepare_placed(scan((5, 6)), pipeline(["intensity"]))
    with pytest.raises(ShapeError, match=r"a mask must have shape \(C, 5, 6\), got \(1, 6, 5\)"):
        prepare_mask(np.zeros((1, 6, 5), np.uint8), geometry)
    with pytest.raises(ShapeError, match="restore"):
        restore(np.zeros((1, 6, 5), np.uint8), geometry)
    with pytest.raises(ReadError, match="orient needs to know"):
        prepare_placed(scan((5, 6, 7), placed=False), pipeline(WHOLE))


@pytest.mark.parametrize("name", ["example_mr_sm.nii.gz", "example_seg.nii.gz"])
def test_a_real_volume_returns_to_its_own_grid(data, name):
    given = read(data / "vol-ct-totalseg" / name)
    mask = (given.array > np.median(given.array)).astype(np.uint8)
    chain = pipeline(["orient", "intensity", "crop_or_pad:side=128;128;32"])
    _, geometry = prepare_placed(given, chain)
    np.testing.assert_array_equal(restore(prepare_mask(mask, geometry), geometry), mask)
    scaled = pipeline(["orient", "intensity", "resample:spacing_mm=2.0"])
    _, geometry = prepare_placed(given, scaled)
    assert (restore(prepare_mask(mask, geometry), geometry) == mask).mean() > 0.99


def test_every_odd_volume_that_can_be_prepared_comes_back(data):
    chain, seen = pipeline(["orient", "fill_nan", "intensity"]), 0
    for file in sorted((data / "odd-volumes").rglob("*")):
        if not file.is_file() or file.suffix in {".csv", ".txt", ".py"}:
            continue
        try:
            given = read(file)
            _, geometry = prepare_placed(given, chain)
        except ReadError:
            continue
        mask = np.random.default_rng(4).integers(0, 3, given.array.shape).astype(np.uint8)
        np.testing.assert_array_equal(restore(prepare_mask(mask, geometry), geometry), mask)
        seen += 1
    assert seen >= 5
