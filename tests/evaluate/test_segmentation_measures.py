"""What every segmentation measure promises. A new one is tested here without being named."""

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from loops_of_segmentation import TWINS

from medgraft.errors import ArgumentError, ShapeError, UndefinedMetricError
from medgraft.evaluate.segmentation import dice, hd95, iou, iou_over_thresholds, surface_dice
from medgraft.evaluate.segmentation.measures import measures
from medgraft.evaluate.segmentation.surface import boundary, surface_distances

ALL = [measures.get(name) for name in measures.names()]
OF_MASKS = [one for one in ALL if one.reads == "mask"]
# Drawing arrays is slow enough that a busy machine would call it a fault.
LOADED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
SPACINGS = st.sampled_from([0.25, 0.3, 1.0, 2.5])


@pytest.fixture(params=ALL, ids=lambda measure: measure.name)
def measure(request):
    return request.param


@st.composite
def pairs(draw, most=5):
    shape = draw(array_shapes(min_dims=2, max_dims=3, max_side=most))
    one, other = (draw(arrays(bool, shape, elements=st.booleans())) for _ in range(2))
    return one, other, tuple(draw(SPACINGS) for _ in shape)


def value(measure, truth, prediction, **options):
    """Of a mask; a measure that reads probabilities gets a map that is sure. None if undefined."""
    if measure.reads == "probability":
        prediction = prediction.astype(float)
    try:
        return measure(truth, prediction, **options)
    except UndefinedMetricError:
        return None


def ball(centre, radius, shape=(24, 20, 16)):
    grid = np.indices(shape)
    return sum((g - c) ** 2 for g, c in zip(grid, centre, strict=True)) <= radius**2


def error(measure, number):
    """How bad a value is."""
    return {"lower": number, "higher": -number, "zero": abs(number)}[measure.better]


def test_says_which_way_is_better_and_by_whom(measure):
    assert measure.better in ("higher", "lower", "zero")
    assert measure.range[0] <= measure.both_empty <= measure.range[1]
    assert measure.unit in ("", "mm", "mm^d")
    assert measure.source


def test_has_a_definition_in_loops(measure):
    assert measure.name in TWINS


def test_the_truth_itself_beats_a_near_mask_beats_a_far_one(measure):
    truth = ball((12, 10, 8), 6)
    same, near, far = (
        error(measure, value(measure, truth, mask))
        for mask in (truth, ball((12, 11, 8), 5), ball((8, 10, 8), 4))
    )
    assert same < near < far


def test_the_truth_itself_gets_what_two_empty_masks_get(measure):
    """Both are a perfect answer."""
    truth = ball((12, 10, 8), 6)
    assert value(measure, truth, truth) == measure.both_empty
    assert value(measure, truth & False, truth & False) == measure.both_empty


def test_one_empty_mask_gives_the_declared_value_or_an_error_that_names_it(measure):
    full, empty = np.ones((3, 4), bool), np.zeros((3, 4), bool)
    if measure.needs_both:
        with pytest.raises(UndefinedMetricError, match=f"{measure.name} .* the truth is empty"):
            measure(empty, full)
        with pytest.raises(UndefinedMetricError, match="the prediction is empty"):
            measure(full, empty)
    else:
        assert np.isfinite(value(measure, full, empty))
        assert np.isfinite(value(measure, empty, full))


@pytest.mark.parametrize("name", ["dice", "iou", "surface_dice", "iou_over_thresholds"])
def test_a_share_of_one_empty_mask_is_zero(name):
    full, empty = np.ones((3, 4), bool), np.zeros((3, 4), bool)
    assert value(measures.get(name), full, empty) == 0
    assert value(measures.get(name), empty, full) == 0


@settings(LOADED, max_examples=120)
@given(pair=pairs(), tolerance=st.sampled_from([0.0, 0.3, 1.0, 2.0]))
def test_agrees_with_its_definition_in_loops(pair, tolerance):
    truth, prediction, spacing = pair
    for measure in OF_MASKS:
        found = value(measure, truth, prediction, spacing_mm=spacing, tolerance_mm=tolerance)
        expected = TWINS[measure.name](truth, prediction, spacing, tolerance)
        assert found == (None if expected is None else pytest.approx(expected, abs=1e-9))


@settings(LOADED, max_examples=80)
@given(
    truth=arrays(bool, (3, 4), elements=st.booleans()),
    map_=arrays(
        np.float64, (3, 4), elements=st.sampled_from([0, 0.3, 0.5, 0.55, 0.61, 0.7, 0.95, 1])
    ),
)
def test_iou_over_thresholds_agrees_with_ten_masks(truth, map_):
    expected = TWINS["iou_over_thresholds"](truth, map_, None, None)
    assert iou_over_thresholds(truth, map_) == pytest.approx(expected, abs=1e-12)


def test_a_threshold_is_reached_in_the_precision_of_the_map():
    for precision in (np.float16, np.float32, np.float64):
        map_ = np.full((2, 2), 0.55, precision)
        assert iou_over_thresholds(np.ones((2, 2), bool), map_) == pytest.approx(0.2)


@settings(LOADED, max_examples=60)
@given(pair=pairs())
def test_swapping_both_masks_changes_nothing_but_a_sign(pair):
    truth, prediction, spacing = pair
    for measure in OF_MASKS:
        one = value(measure, truth, prediction, spacing_mm=spacing)
        other = value(measure, prediction, truth, spacing_mm=spacing)
        if one is not None:
            other = -other if measure.better == "zero" else other
        assert one == (None if other is None else pytest.approx(other, abs=1e-9))


@settings(LOADED, max_examples=60)
@given(pair=pairs(), margins=st.lists(st.integers(0, 3), min_size=6, max_size=6))
def test_moving_both_masks_in_a_larger_image_changes_nothing(pair, margins):
    truth, prediction, spacing = pair
    around = [(margins[2 * axis], margins[2 * axis + 1]) for axis in range(truth.ndim)]
    for measure in ALL:
        still = value(measure, truth, prediction, spacing_mm=spacing)
        moved = value(
            measure, np.pad(truth, around), np.pad(prediction, around), spacing_mm=spacing
        )
        assert moved == (None if still is None else pytest.approx(still, abs=1e-9))


@settings(LOADED, max_examples=60)
@given(pair=pairs(), order=st.randoms(use_true_random=False))
def test_turning_both_masks_and_their_spacing_changes_nothing(pair, order):
    truth, prediction, spacing = pair
    axes = list(range(truth.ndim))
    order.shuffle(axes)
    for measure in ALL:
        still = value(measure, truth, prediction, spacing_mm=spacing)
        turned = value(
            measure,
            truth.transpose(axes)[::-1],
            prediction.transpose(axes)[::-1],
            spacing_mm=[spacing[axis] for axis in axes],
        )
        assert turned == (None if still is None else pytest.approx(still, abs=1e-9))


@settings(LOADED, max_examples=60)
@given(pair=pairs(), scale=st.sampled_from([0.5, 2.0, 3.7]))
def test_spacing_scales_distances_and_volumes_and_nothing_else(pair, scale):
    truth, prediction, spacing = pair
    powers = {"": 0, "mm": 1, "mm^d": truth.ndim}
    for measure in ALL:
        one = value(measure, truth, prediction, spacing_mm=spacing, tolerance_mm=1.0)
        other = value(
            measure,
            truth,
            prediction,
            spacing_mm=[scale * s for s in spacing],
            tolerance_mm=scale * 1.0,
        )
        expected = None if one is None else pytest.approx(one * scale ** powers[measure.unit])
        assert other == expected


@settings(LOADED, max_examples=60)
@given(pair=pairs())
def test_lies_in_its_range(pair):
    truth, prediction, spacing = pair
    for measure in ALL:
        found = value(measure, truth, prediction, spacing_mm=spacing)
        assert found is None or measure.range[0] <= found <= measure.range[1]


@settings(LOADED, max_examples=60)
@given(pair=pairs())
def test_dice_is_a_function_of_iou(pair):
    truth, prediction, _ = pair
    jaccard = iou(truth, prediction)
    assert dice(truth, prediction) == pytest.approx(2 * jaccard / (1 + jaccard))


@settings(LOADED, max_examples=60)
@given(pair=pairs())
def test_a_wider_tolerance_never_lowers_the_surface_dice(pair):
    truth, prediction, spacing = pair
    assume(truth.any() and prediction.any())
    found = [
        surface_dice(truth, prediction, spacing_mm=spacing, tolerance_mm=t) for t in (0, 1, 2, 1e3)
    ]
    assert found == sorted(found)
    assert found[-1] == 1


def test_a_tolerance_of_some_voxels_counts_them_whatever_the_last_bits_say():
    line = np.zeros((1, 8), bool)
    one, other = line.copy(), line.copy()
    one[0, 0] = other[0, 3] = True
    assert surface_dice(one, other, spacing_mm=(1, 0.1), tolerance_mm=0.3) == 1


def test_a_shift_by_known_millimetres_is_found():
    cube = np.zeros((20, 20, 20), bool)
    cube[5:15, 5:15, 5:15] = True
    far = surface_distances(cube, np.roll(cube, 2, axis=2), (1, 1, 1.5)).joined
    assert far.max() == 3.0
    assert hd95(cube, np.roll(cube, 2, axis=2), spacing_mm=(1, 1, 1.5)) == 3.0


def test_the_boundary_is_the_mask_less_its_erosion():
    from scipy.ndimage import binary_erosion

    mask = np.random.default_rng(0).random((12, 13, 14)) < 0.9
    assert (boundary(mask) == (mask & ~binary_erosion(mask))).all()


def test_masks_of_fractions_are_refused():
    with pytest.raises(ArgumentError, match=r"mask of integers, got float64. Were prob"):
        dice([[0.2, 0.9]], [[0.2, 0.9]])


def test_labels_other_than_one_are_refused(measure):
    with pytest.raises(ArgumentError, match="only 0 and 1, got 2"):
        measure([[0, 2]], [[0, 1]])


def test_different_shapes_are_refused(measure):
    with pytest.raises(ShapeError, match=r"one shape, got \(1, 2\) and \(2, 1\)"):
        measure(np.ones((1, 2), int), np.ones((2, 1), int))


@pytest.mark.parametrize("shape", [(4,), (2, 2, 2, 2), (0, 3)])
def test_what_is_neither_an_image_nor_a_volume_is_refused(measure, shape):
    with pytest.raises(ShapeError, match="2 or 3 axes"):
        measure(np.zeros(shape, int), np.zeros(shape, int))


@pytest.mark.parametrize("spacing", [(1,), (1, 0), (1, -1), (1, np.nan)])
def test_spacing_that_is_none_is_refused(measure, spacing):
    with pytest.raises(ArgumentError, match="2 positive numbers"):
        measure([[0, 1]], [[0, 1]], spacing_mm=spacing)


@pytest.mark.parametrize("tolerance", [-1, np.nan, np.inf])
def test_a_tolerance_that_is_no_distance_is_refused(tolerance):
    with pytest.raises(ArgumentError, match="tolerance_mm must be 0 or more"):
        surface_dice([[0, 1]], [[0, 1]], tolerance_mm=tolerance)


@pytest.mark.parametrize("wrong", [-0.1, 1.1, np.nan, np.inf])
def test_maps_that_are_no_probabilities_are_refused(wrong):
    with pytest.raises(ArgumentError, match="Were logits passed"):
        iou_over_thresholds([[0, 1]], [[0.5, wrong]])
