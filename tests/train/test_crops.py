"""Random crops: where the seed says, anywhere alike, other ones in every epoch."""

import numpy as np
import pytest
import torch

from medgraft.errors import ArgumentError
from medgraft.train.batches import Batches, Placement
from medgraft.train.crops import RandomCrops
from medgraft.train.predict import Arrays
from medgraft.train.slices import Slices, Slicing

SIZE = (9, 8, 7)
CROP = (4, 8, 5)


def numbered(count=5):
    """Every voxel holds its own number, so that a crop tells where it was cut."""
    return np.arange(count * np.prod(SIZE), dtype=np.uint16).reshape(count, 1, *SIZE)


def crops(**changes):
    settings = {
        "images": Arrays(numbered(), 65535),
        "rows": np.array([4, 0, 2]),
        "crop": CROP,
        "per_image": 6,
        "seed": 3,
    }
    return RandomCrops(**(settings | changes))


def cut(source, crop):
    """The crop in loops over its voxels."""
    (corner,) = source.corners(np.array([crop]))
    whole = source.images.array[source.rows[crop // source.per_image], 0]
    return [
        [[whole[corner[0] + i, corner[1] + j, corner[2] + k] for k in range(5)] for j in range(8)]
        for i in range(4)
    ]


def test_a_crop_is_cut_from_its_image_at_its_corner():
    source = crops()
    found = source.gather(np.arange(18))
    assert found.shape == (18, 1, *CROP)
    for crop in range(18):
        np.testing.assert_array_equal(found[crop, 0], cut(source, crop))


def test_where_it_is_cut_depends_on_seed_epoch_and_crop_alone():
    one = crops().gather(np.arange(18))
    np.testing.assert_array_equal(crops().gather(np.array([7, 3])), one[[7, 3]])
    for other in (crops(seed=4), crops().in_epoch(1)):
        assert (other.gather(np.arange(18)) != one).any()
    np.testing.assert_array_equal(crops().in_epoch(1).in_epoch(0).gather(np.arange(18)), one)


def test_crops_lie_anywhere_alike_and_reach_both_ends():
    corners = crops(per_image=2000).corners(np.arange(6000))
    for axis, room in enumerate((5, 0, 2)):
        counts = np.bincount(corners[:, axis], minlength=room + 1)
        assert len(counts) == room + 1
        expected = 6000 / (room + 1)
        assert ((counts - expected) ** 2 / expected).sum() < 3 * (room + 1)


@pytest.mark.parametrize("crop", [(4, 9, 5), (4, 8), (4, 0, 5)])
def test_a_crop_that_does_not_fit_is_refused(crop):
    with pytest.raises(ArgumentError, match="a patch must fit the prepared images of 9 x 8 x 7"):
        crops(crop=crop)


@pytest.mark.parametrize("changes", [{"size": 4}, {"size": 7, "world": 2}])
def test_batches_ask_for_the_crops_of_their_epoch(changes):
    source = crops()
    targets = np.zeros((source.count, 0), np.float32)
    place = Placement(torch.device("cpu"))
    settings = {"size": 7, "seed": 0, "augmenter": None, "placement": place} | changes
    for epoch in (0, 1):
        expected = source.in_epoch(epoch).gather(np.arange(18))
        seen = []
        for rank in range(settings.get("world", 1)):
            batches = Batches(source, np.arange(source.count), targets, **settings, rank=rank)
            for batch in batches.epoch(epoch):
                found = (batch.images * 65535).round().numpy()
                np.testing.assert_array_equal(found, expected[batch.places])
                seen += batch.places.tolist()
        assert sorted(seen) == list(range(18))


def test_slices_have_crops_too():
    slices = Slices(Arrays(numbered(), 65535), Slicing(3, "0"))
    source = crops(images=slices, rows=slices.of(np.array([1])), crop=(4, 5), per_image=2)
    found = source.gather(np.arange(18))
    assert found.shape == (18, 3, 4, 5)
    for crop, (row, column) in enumerate(source.corners(np.arange(18))):
        whole = numbered()[1, 0]
        for channel, n in enumerate(crop // 2 + step for step in (-1, 0, 1)):
            expected = whole[min(max(n, 0), 8), row : row + 4, column : column + 5]
            np.testing.assert_array_equal(found[crop, channel], expected)
