"""The same numbers as MONAI where the definitions agree; where not, how they differ."""

import numpy as np
import pytest

from medgraft.evaluate.segmentation import dice, hd95, iou, surface_dice, surface_distance
from medgraft.evaluate.segmentation.surface import surface_distances

pytestmark = [
    pytest.mark.slow,  # importing MONAI takes longer than all of these
    pytest.mark.filterwarnings("ignore"),  # MONAI's own, of its imports
]


@pytest.fixture(scope="module")
def monai_metrics():
    return pytest.importorskip("monai.metrics", reason="MONAI is not installed")


def ball(centre, radii, shape):
    grid = np.indices(shape)
    return sum(((g - c) / r) ** 2 for g, c, r in zip(grid, centre, radii, strict=True)) <= 1


def case(seed):
    """A lump with holes and islands, and another one near it."""
    rng = np.random.default_rng(seed)
    shape = (22, 26, 18) if seed % 2 else (40, 36)
    centre = np.array(shape) / 2
    masks = [
        ball(centre + rng.normal(0, 1.5, len(shape)), np.array(shape) / rng.uniform(3, 4), shape)
        ^ (rng.random(shape) < 0.02)
        for _ in range(2)
    ]
    return *masks, tuple(rng.uniform(0.5, 2.5, len(shape)))


def stacked(mask):
    import torch

    return torch.from_numpy(mask.astype(np.float32))[None, None]


@pytest.mark.parametrize("seed", range(6))
def test_dice_iou_surface_dice_and_mean_distance_are_those_of_monai(monai_metrics, seed):
    truth, prediction, spacing = case(seed)
    y, p = stacked(truth), stacked(prediction)
    far = {"include_background": True, "spacing": spacing}
    expected = {
        dice: monai_metrics.compute_dice(p, y),
        iou: monai_metrics.compute_iou(p, y),
        surface_distance: monai_metrics.compute_average_surface_distance(
            p, y, symmetric=True, **far
        ),
        surface_dice: monai_metrics.compute_surface_dice(p, y, [1.3], **far),
    }
    for measure, theirs in expected.items():
        options = {} if measure in (dice, iou) else {"spacing_mm": spacing, "tolerance_mm": 1.3}
        assert measure(truth, prediction, **options) == pytest.approx(theirs.item(), rel=1e-5)


@pytest.mark.parametrize("seed", range(6))
def test_monai_takes_the_larger_of_two_percentiles_and_this_one_of_both_joined(monai_metrics, seed):
    truth, prediction, spacing = case(seed)
    theirs = monai_metrics.compute_hausdorff_distance(
        stacked(prediction), stacked(truth), include_background=True, percentile=95, spacing=spacing
    ).item()
    apart = surface_distances(truth, prediction, spacing)
    directed = [np.quantile(d, 0.95) for d in (apart.of_truth, apart.of_prediction)]
    assert max(directed) == pytest.approx(theirs, rel=1e-5)
    ours = hd95(truth, prediction, spacing_mm=spacing)
    assert ours == pytest.approx(
        np.quantile(np.concatenate([apart.of_truth, apart.of_prediction]), 0.95)
    )
    assert ours <= theirs * 1.02
