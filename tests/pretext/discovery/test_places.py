"""Places keep to the tissue filter and their distance, and the search for them ends."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medgraft.errors import TrainingError
from medgraft.pretext.discovery.boxes import draw_boxes
from medgraft.pretext.discovery.places import draw_places, holding
from medgraft.pretext.discovery.tissue import Tissue, tissue_map, window_means

ANYTHING = Tissue(threshold=0.5, least=0.0, most=1.0)


def map_by_hand(volume, threshold):
    """1 - k/2 for every voxel, k the first of three positions that reaches the threshold, or 2."""
    found = np.zeros(volume.shape)
    for i, j, k in itertools.product(*map(range, volume.shape)):
        first = 2
        for ahead in (2, 1, 0):
            if k + ahead < volume.shape[2] and volume[i, j, k + ahead] >= threshold:
                first = ahead
        found[i, j, k] = 1 - first / 2
    return found


def test_the_tissue_map_is_that_of_the_loop():
    volume = np.random.default_rng(0).random((5, 4, 9))
    np.testing.assert_array_equal(tissue_map(volume, 0.7) / 2, map_by_hand(volume, 0.7))


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_window_means_are_those_of_the_loop(data):
    shape = data.draw(st.lists(st.integers(1, 7), min_size=2, max_size=3))
    sides = [data.draw(st.integers(1, n)) for n in shape]
    values = np.random.default_rng(len(shape)).integers(0, 3, shape)
    found = window_means(values, sides)
    for start in itertools.product(*(range(n - s + 1) for n, s in zip(shape, sides, strict=True))):
        window = tuple(slice(a, a + s) for a, s in zip(start, sides, strict=True))
        assert found[start] == values[window].mean()
    assert found.shape == tuple(n - s + 1 for n, s in zip(shape, sides, strict=True))


def test_the_filter_at_a_place_is_that_of_all_places():
    rng = np.random.default_rng(0)
    for shape, sides in (((9, 7), (3, 2)), ((6, 5, 7), (2, 3, 3))):
        image = rng.random((2, *shape), dtype=np.float32)
        tissue = Tissue(threshold=0.5, least=0.4, most=0.6)
        every = tissue.starts(image, sides)
        starts = list(itertools.product(*map(range, every.shape)))
        np.testing.assert_array_equal(tissue.at(image, starts, sides), every.ravel())
        assert 0 < every.sum() < every.size
        counted = holding([3, 5], lambda _, image=image: image, shape, sides, tissue)
        np.testing.assert_array_equal(counted, 2 * every)


def half_bright(scan):  # the right half is tissue
    image = np.zeros((1, 20, 20), np.float32)
    image[:, :, 10:] = 1
    return image


def test_places_are_drawn_where_there_is_tissue_and_nowhere_else():
    tissue = Tissue(threshold=0.5, least=1.0, most=1.0)
    places, _ = draw_places(30, half_bright, (20, 20), (6, 6), tissue, count=9, distance=2, seed=0)
    assert all(place.start[1] >= 10 for place in places)
    soft = Tissue(threshold=0.5, least=0.0, most=0.15)  # as for lungs: little is soft tissue
    places, _ = draw_places(30, half_bright, (20, 20), (6, 6), soft, count=9, distance=2, seed=0)
    assert all(place.start[1] <= 4 for place in places)


@pytest.mark.parametrize("seed", range(5))
def test_places_keep_their_distance_and_references_differ(seed):
    places, passed = draw_places(
        40, half_bright, (20, 20), (4, 4), ANYTHING, count=12, distance=3.5, seed=seed
    )
    assert len(places) == 12
    assert passed == 0
    assert len({place.reference for place in places}) == 12
    for one, other in itertools.combinations(places, 2):
        assert np.linalg.norm(np.subtract(one.start, other.start)) >= 3.5


def flat(scan):
    return np.ones((1, 1, 7), np.float32)


def drawn_columns(seed, count):
    places, _ = draw_places(9, flat, (1, 7), (1, 2), ANYTHING, count=count, distance=5, seed=seed)
    return [place.start[1] for place in places]


def test_places_at_exactly_the_distance_are_allowed():
    at_an_end = [seed for seed in range(30) if drawn_columns(seed, 1)[0] in (0, 5)]
    assert at_an_end
    assert all(set(drawn_columns(seed, 2)) == {0, 5} for seed in at_an_end)


def test_scans_without_a_place_are_passed_over_and_counted():
    def load(scan):
        return half_bright(scan) if scan % 2 else np.zeros((1, 20, 20), np.float32)

    tissue = Tissue(threshold=0.5, least=0.9, most=1.0)
    places, passed = draw_places(20, load, (20, 20), (6, 6), tissue, count=6, distance=1, seed=3)
    assert all(place.reference % 2 for place in places)
    assert passed > 0


def test_when_scans_are_used_up_it_ends_with_what_was_found():
    looked = []

    def load(scan):
        looked.append(scan)
        return np.zeros((1, 20, 20), np.float32)

    tissue = Tissue(threshold=0.5, least=0.9, most=1.0)
    with pytest.raises(TrainingError, match="of 3 only 0 were found in all 7 scans"):
        draw_places(7, load, (20, 20), (6, 6), tissue, count=3, distance=5, seed=0)
    assert sorted(looked) == list(range(7))


def test_the_same_seed_draws_the_same_places():
    def drawn(seed):
        return draw_places(
            30, half_bright, (20, 20), (4, 4), ANYTHING, count=8, distance=3, seed=seed
        )

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_no_box_leaves_a_scan_whatever_is_asked_for(data):
    axes = data.draw(st.sampled_from([2, 3]))
    shape = [data.draw(st.integers(1, 40)) for _ in range(axes)]
    crop = [data.draw(st.integers(1, n)) for n in shape]
    start = [data.draw(st.integers(0, n - c)) for n, c in zip(shape, crop, strict=True)]
    low = data.draw(st.floats(0.05, 3))
    high = low + data.draw(st.floats(0, 3))
    found = draw_boxes(
        start,
        crop,
        shape,
        data.draw(st.integers(1, 5)),
        larger=data.draw(st.integers(0, 3)),
        zoom=(low, high),
        jitter=data.draw(st.floats(0, 1)),
        seed=data.draw(st.integers(0, 99)),
    )
    assert (found.starts >= 0).all()
    assert (found.sides >= 1).all()
    assert (found.starts + found.sides <= np.array(shape)).all()
    assert (found.starts[:, 0] == start).all()
    assert (found.sides[:, 0] == crop).all()


def test_further_boxes_have_the_sides_and_moves_that_were_asked_for():
    found = draw_boxes(
        (90, 90),
        (64, 64),
        (250, 250),
        4000,
        larger=2,
        zoom=(50 / 64, 79 / 64),
        jitter=10 / 64,
        seed=0,
    )
    sides, starts = found.sides[:, 1:], found.starts[:, 1:]
    assert sides.min() == 50
    assert sides.max() == 79
    assert (sides[..., 0] == sides[..., 1]).all()
    moved = starts + sides / 2 - (90 + 32)
    assert np.abs(moved).max() <= 10.5
    assert abs(moved.mean()) < 0.3
    assert np.abs(moved).max() > 9


@pytest.mark.parametrize("crop", [(8, 8, 8), (12, 5, 9)])
def test_boxes_of_volumes_keep_the_proportions_of_the_crop(crop):
    found = draw_boxes((0, 0, 0), crop, (64, 64, 64), 50, larger=1, zoom=(1.5, 2), jitter=0, seed=1)
    factors = found.sides[:, 1] / np.array(crop)
    assert (np.ptp(factors, axis=1) < 0.2).all()
