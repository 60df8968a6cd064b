"""Patches: cut where the seed says, balanced, and images and masks always together."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from medgraft.augment import Augmenter
from medgraft.errors import ArgumentError, TrainingError
from medgraft.index.masks import UNLABELLED
from medgraft.train.batches import Placement
from medgraft.train.patches import Patches

SIZE = (20, 16, 12)


@dataclass(frozen=True)
class Volumes:
    """A store in memory; an image shows its mask, so that both can be compared anywhere."""

    masks: np.ndarray
    scale: int = 255

    @property
    def shape(self):
        return (1, *self.masks.shape[1:])

    def image(self, row):
        return self.masks[row][None] * np.uint8(50)

    def mask(self, row):
        return self.masks[row][None]


def volumes(count=5):
    """A large organ, a tiny lesion of one pixel, and one volume without foreground."""
    masks = np.zeros((count, *SIZE), np.uint8)
    masks[:-1, 2:9, 2:9, 2:9] = 1
    for number in range(count - 1):
        masks[number, 17, 13, 3 + number] = 2
    return Volumes(masks)


def patches(store=None, **options):
    store = store or volumes()
    settings = {
        "store": store,
        "rows": np.arange(len(store.masks)),
        "patch": (8, 8, 4),
        "per_image": 6,
        "size": 7,
        "seed": 3,
        "foreground": 0.5,
        "augmenter": None,
        "placement": Placement(torch.device("cpu")),
    }
    return Patches(**(settings | options))


def by_sample(source, epoch=0):
    return {
        int(s): (image, mask)
        for batch in source.epoch(epoch)
        for s, image, mask in zip(batch.samples, batch.images, batch.masks, strict=True)
    }


@pytest.mark.parametrize("augmenter", [None, Augmenter(["flip", "rotate:degrees=20"], dims=3)])
def test_every_patch_comes_once_with_its_mask_at_the_right_place(augmenter):
    source = patches(augmenter=augmenter)
    found = by_sample(source)
    assert sorted(found) == list(range(30))
    corners = source.corners(np.arange(30), 0)
    for sample, (image, mask) in found.items():
        assert image.shape == (1, 8, 8, 4)
        assert mask.shape == (8, 8, 4)
        assert mask.dtype == torch.int64
        if augmenter is None:
            a, b, c = corners[sample]
            volume = source.store.masks[sample // 6]
            np.testing.assert_array_equal(mask, volume[a : a + 8, b : b + 8, c : c + 4])
            np.testing.assert_allclose(image[0] * 255 / 50, mask, atol=1e-5)


def test_a_patch_depends_on_seed_epoch_and_sample_alone():
    augmenter = Augmenter(["flip", "brightness"], dims=3)
    one = by_sample(patches(augmenter=augmenter))
    for other in (
        by_sample(patches(augmenter=augmenter, size=4)),
        by_sample(patches(augmenter=augmenter, rank=0, world=2))
        | by_sample(patches(augmenter=augmenter, rank=1, world=2)),
    ):
        assert sorted(other) == sorted(one)
        for sample, (image, mask) in one.items():
            assert torch.equal(other[sample][0], image)
            assert torch.equal(other[sample][1], mask)
    corners = patches().corners(np.arange(30), 0)
    assert (patches().corners(np.arange(30), 1) != corners).any()
    assert (patches(seed=4).corners(np.arange(30), 0) != corners).any()


def test_an_epoch_goes_on_from_any_batch():
    source = patches()
    whole, rest = list(source.epoch(2)), list(source.epoch(2, start=2))
    assert [b.step for b in rest] == [b.step for b in whole[2:]]
    assert all(torch.equal(a.images, b.images) for a, b in zip(whole[2:], rest, strict=True))


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_share_of_patches_with_the_rare_lesion_is_as_asked(share):
    """Half of the balanced patches are cut around it; by chance it is in few others."""
    lesions = np.array([[17, 13, 3 + s // 400] for s in range(1600)])  # those with foreground
    side = np.array([8, 8, 4])

    def held(foreground):
        source = patches(per_image=400, foreground=foreground)
        corners = source.corners(np.arange(1600), 0)
        return ((lesions >= corners) & (lesions < corners + side)).all(axis=1).mean()

    # around a pixel of the organ (rows 2 to 8) no patch reaches row 17
    expected = share * 0.5 + (1 - share) * held(0.0)
    assert abs(held(share) - expected) < 4 * np.sqrt(0.25 / 1600)


def test_patches_anywhere_are_uniform_and_reach_both_ends():
    corners = patches(per_image=400, foreground=0.0).corners(np.arange(2000), 0)
    for axis, room in enumerate(np.subtract(SIZE, (8, 8, 4))):
        counts = np.bincount(corners[:, axis], minlength=room + 1)
        assert len(counts) == room + 1
        expected = 2000 / (room + 1)
        assert ((counts - expected) ** 2 / expected).sum() < 3 * (room + 1)


def test_a_volume_without_foreground_or_mask_is_cut_anywhere():
    masks = np.zeros((2, *SIZE), np.uint8)
    masks[1] = UNLABELLED
    source = patches(Volumes(masks), foreground=1.0)
    assert len(np.unique(source.corners(np.arange(12), 0), axis=0)) > 6
    assert {int(m.unique()) for _, m in by_sample(source).values()} == {0, UNLABELLED}


def test_of_very_many_images_few_places_of_each_are_kept(monkeypatch):
    monkeypatch.setattr("medgraft.train.patches.PLACES", 5 * 40)
    source = patches(foreground=1.0, per_image=100)
    kept = [len(places) for image in source._known for places in image]
    assert kept == [40, 1] * 4  # the organ, and a lesion of one pixel
    found = by_sample(source)
    assert all(found[sample][1].any() for sample in range(400))


def test_whole_images_are_patches_too():
    source = patches(patch=SIZE, per_image=1, size=2)
    for sample, (_, mask) in by_sample(source).items():
        np.testing.assert_array_equal(mask, source.store.masks[sample])


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"patch": (8, 8, 13)}, "a patch must fit the prepared images of 20 x 16 x 12"),
        ({"patch": (8, 8)}, "a patch must fit"),
        ({"patch": (8, 0, 4)}, "a patch must fit"),
        ({"foreground": 1.1}, r"foreground must be in \[0, 1\], got 1.1"),
        ({"per_image": 0}, "per_image must be at least 1"),
        ({"augmenter": Augmenter(["mixup"], dims=3)}, "must not mix samples"),
    ],
)
def test_what_does_not_fit_is_refused(options, why):
    with pytest.raises(ArgumentError, match=why):
        patches(**options)


def test_a_batch_of_one_patch_is_refused():
    with pytest.raises(TrainingError, match="at least 2 patches"):
        patches(size=1)
