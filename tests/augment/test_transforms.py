"""What every augmentation promises, in 2-D and 3-D. A new one is tested here without being named."""

import json

import numpy as np
import pytest
import torch

from medgraft.augment import Augmenter
from medgraft.augment.transforms import (
    Displacement,
    Geometry,
    Intensity,
    Linear,
    Mixing,
    augmentations,
)
from medgraft.errors import ArgumentError
from medgraft.spec import build, write

SHAPES = {2: (24, 24), 3: (10, 12, 12)}
COUNT = 6


def always(name):
    return f"{name}:p=1"


def batch(dims, channels=3, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(COUNT, channels, *SHAPES[dims], generator=generator).to(dtype)


def kind(name):
    return augmentations.get(name)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("name", augmentations.names())
class TestEveryAugmentation:
    @pytest.mark.parametrize("channels", [1, 3])
    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
    def test_keeps_shape_type_and_range(self, name, dims, channels, dtype):
        images = batch(dims, channels, dtype)
        augmenter = Augmenter([always(name)], dims)
        changed = augmenter.apply(images, augmenter.draw(COUNT, SHAPES[dims], seed=1))
        assert changed.shape == images.shape
        assert changed.dtype == dtype
        assert changed.isfinite().all()
        assert changed.min() >= 0
        assert changed.max() <= 1

    def test_changes_images_when_it_is_sure_to_happen(self, name, dims):
        images = batch(dims)
        augmenter = Augmenter([always(name)], dims)
        changed = augmenter.apply(images, augmenter.draw(COUNT, SHAPES[dims], seed=1))
        assert not torch.equal(changed, images)

    def test_same_seed_same_pixels_and_other_seed_others(self, name, dims):
        images = batch(dims)
        first, again = Augmenter([name], dims), Augmenter([name], dims)
        results = [
            a.apply(images, a.draw(COUNT, SHAPES[dims], seed=seed))
            for a, seed in ((first, 3), (again, 3), (first, 4))
        ]
        assert torch.equal(results[0], results[1])
        assert not torch.equal(results[0], results[2])

    def test_a_draw_applied_twice_gives_the_same_pixels(self, name, dims):
        images = batch(dims)
        augmenter = Augmenter([always(name)], dims)
        draw = augmenter.draw(COUNT, SHAPES[dims], seed=5)
        assert torch.equal(augmenter.apply(images, draw), augmenter.apply(images, draw))

    def test_leaves_its_input_as_it_was(self, name, dims):
        images, masks = batch(dims), (batch(dims) > 0.5).to(torch.uint8)
        before, masks_before = images.clone(), masks.clone()
        augmenter = Augmenter([always(name)], dims)
        augmenter.apply(images, augmenter.draw(COUNT, SHAPES[dims], seed=1), masks)
        assert torch.equal(images, before)
        assert torch.equal(masks, masks_before)

    def test_never_happening_is_the_identity_bit_for_bit(self, name, dims):
        images = batch(dims)
        augmenter = Augmenter([f"{name}:p=0"], dims)
        draw = augmenter.draw(COUNT, SHAPES[dims], seed=1)
        assert torch.equal(augmenter.apply(images, draw), images)
        assert draw.caption(0) == "as it is"

    def test_samples_that_did_not_draw_it_keep_their_bits(self, name, dims):
        images = torch.cat([batch(dims, seed=seed) for seed in range(3)])
        augmenter = Augmenter([f"{name}:p=0.5"], dims)
        draw = augmenter.draw(3 * COUNT, SHAPES[dims], seed=2)
        idle = ~draw.parts[0].active
        assert idle.any()
        assert not idle.all()
        assert torch.equal(augmenter.apply(images, draw)[idle], images[idle])

    def test_a_sample_does_not_depend_on_its_batch(self, name, dims):
        images, order = batch(dims), [4, 2]
        augmenter = Augmenter([always(name)], dims)
        if augmenter.mixes:
            pytest.skip("a partner comes from the batch")
        whole = augmenter.apply(images, augmenter.draw(COUNT, SHAPES[dims], seed=1))
        part = augmenter.draw(2, SHAPES[dims], seed=1, samples=order)
        alone = augmenter.apply(images[order], part)
        torch.testing.assert_close(alone, whole[order], atol=1e-5, rtol=0)

    def test_masks_move_with_images(self, name, dims):
        """An image that is its own mask comes out as the mask does, but for its values."""
        masks = batch(dims, 1).mul(5).floor()
        augmenter = Augmenter([always(name)], dims, interpolation="nearest")
        draw = augmenter.draw(COUNT, SHAPES[dims], seed=1)
        images, moved = augmenter.apply(masks / 8, draw, masks)
        if issubclass(kind(name), (Geometry, Displacement)):
            assert torch.equal(images, moved / 8)
        else:
            assert torch.equal(moved, masks)

    @pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.float32])
    def test_masks_keep_their_labels_and_type(self, name, dims, dtype):
        labels = torch.tensor([0, 3, 200])
        masks = labels[batch(dims, 1).mul(3).long()].to(dtype)
        augmenter = Augmenter([always(name)], dims)
        draw = augmenter.draw(COUNT, SHAPES[dims], seed=1)
        _, moved = augmenter.apply(batch(dims), draw, masks)
        assert moved.dtype == dtype
        assert set(moved.unique().tolist()) <= set(labels.tolist())

    def test_its_record_is_json(self, name, dims):
        augmenter = Augmenter([always(name)], dims)
        draw = augmenter.draw(COUNT, SHAPES[dims], seed=1)
        record = json.loads(json.dumps(draw.to_json(), allow_nan=False))
        assert record["parts"][0]["spec"] == augmenter.specs[0]
        assert all(draw.caption(i).startswith(name) for i in range(COUNT))


@pytest.mark.parametrize("name", augmentations.names())
class TestEverySetOfOptions:
    def test_is_of_one_kind(self, name):
        kinds = (Geometry, Displacement, Linear, Intensity, Mixing)
        assert sum(issubclass(kind(name), k) for k in kinds) == 1

    def test_survives_being_written_and_read(self, name):
        part = build(augmentations, name)
        assert build(augmentations, write(name, part)) == part

    def test_says_what_it_does_and_what_each_option_means(self, name):
        assert kind(name).__doc__
        assert kind(name).draw.__doc__

    @pytest.mark.parametrize("options", ["p=1.2", "p=-0.1", "p=often", "colour=3", "p=nan"])
    def test_refuses_options_that_make_no_sense(self, name, options):
        with pytest.raises(ArgumentError, match=options.split("=")[0]):
            Augmenter([f"{name}:{options}"])

    def test_bounds_its_numbers(self, name):
        """No number can be asked for without limit: a typing error is found before the run."""
        fields = kind(name).model_fields
        numbers = [key for key, field in fields.items() if isinstance(field.default, (int, float))]
        for key in numbers:
            for value in (-1e9, 1e9):
                with pytest.raises(ArgumentError, match=key):
                    Augmenter([f"{name}:{key}={value if key != 'grid' else int(value)}"])

    def test_happens_as_often_as_its_chance_says(self, name):
        augmenter = Augmenter([f"{name}:p=0.3"])
        active = augmenter.draw(4000, (16, 16), seed=0).parts[0].active
        chance = augmenter.parts[0].chance
        assert abs(active.double().mean().item() - chance) < 4 * np.sqrt(chance / 4000)
