"""Augmentations against the definition, another library, or a property with a bound."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, stats

from medgraft.augment import PRESETS, Augmenter, expand
from medgraft.augment.fields import smooth_field
from medgraft.augment.geometry import (
    rotation,
    scaling,
    symmetric,
    symmetries,
    symmetry_of,
    translation,
)
from medgraft.augment.resampling import layered, resample, resample_layers, sampling_grid
from medgraft.augment.streams import Stream
from medgraft.augment.transforms import augmentations
from medgraft.errors import ArgumentError, ShapeError, UnknownNameError

CPU = torch.device("cpu")


def smooth(shape, count=1, seed=0):
    """Images without fine grain, on which two interpolations may follow each other."""
    noise = np.random.default_rng(seed).random((count, 1, *shape))
    blurred = ndimage.gaussian_filter(noise, sigma=(0, 0, *[3] * len(shape)))
    blurred = (blurred - blurred.min()) / (blurred.max() - blurred.min())
    return torch.from_numpy(blurred).float()


def warp(images, matrix, padding="border"):
    grid = sampling_grid(matrix, tuple(images.shape[2:]), None, dtype=images.dtype, device=CPU)
    return resample(images, grid, interpolation="linear", padding=padding)


class TestGeometry:
    @pytest.mark.parametrize(("degrees", "quarters"), [(90, 1), (180, 2), (-90, 3), (0, 0)])
    @pytest.mark.parametrize("shape", [(9, 9), (8, 8)])
    def test_quarter_turns_are_those_of_torch(self, degrees, quarters, shape):
        images = smooth(shape)
        turned = warp(images, rotation(np.array([float(degrees)]), 2, (-2, -1)))
        torch.testing.assert_close(turned, torch.rot90(images, quarters, (-2, -1)))

    @pytest.mark.parametrize("plane", [(0, 1), (0, 2), (1, 2), (2, 0)])
    def test_quarter_turns_in_every_plane_of_a_volume(self, plane):
        images = smooth((6, 6, 6))
        turned = warp(images, rotation(np.array([90.0]), 3, plane))
        axes = (plane[0] + 2, plane[1] + 2)
        torch.testing.assert_close(turned, torch.rot90(images, 1, axes))

    @given(st.integers(0, 10**6), st.sampled_from([(12, 17), (7, 9, 11)]))
    @settings(max_examples=25, deadline=None)
    def test_matrices_are_those_of_scipy(self, seed, shape):
        """The same matrix in array coordinates, by `scipy.ndimage.affine_transform`."""
        rng, dims = np.random.default_rng(seed), len(shape)
        images = torch.from_numpy(rng.random((1, 1, *shape)))
        matrix = np.eye(dims + 1) + rng.normal(0, 0.15, (dims + 1, dims + 1))
        matrix[-1] = np.eye(dims + 1)[-1]
        matrix[:-1, -1] *= 10
        centre = (np.array(shape) - 1) / 2
        offset = centre + matrix[:-1, -1] - matrix[:-1, :-1] @ centre
        expected = ndimage.affine_transform(
            images[0, 0].numpy(), matrix[:-1, :-1], offset, order=1, mode="nearest"
        )
        np.testing.assert_allclose(warp(images, matrix[None])[0, 0], expected, atol=1e-9)

    def test_perspective_is_a_division(self):
        images, tilt = smooth((21, 21)), np.array([[0.2, -0.1]])
        part = augmentations.get("warp")()
        matrix = part.matrix({"tilt": tilt}, (21, 21))
        moved = warp(images, matrix)
        place = (np.stack(np.meshgrid(*[np.arange(21)] * 2, indexing="ij")) - 10) * 2 / 21
        source = place / (1 + np.tensordot(tilt[0], place, 1)) * 21 / 2 + 10
        expected = ndimage.map_coordinates(images[0, 0].numpy(), source, order=1, mode="nearest")
        np.testing.assert_allclose(moved[0, 0], expected, atol=1e-5)

    @given(st.integers(0, 10**6), st.sampled_from(["reflection", "border", "zeros"]))
    @settings(max_examples=25, deadline=None)
    def test_layer_by_layer_equals_the_whole_volume(self, seed, padding):
        """Also far beyond the border, where the mirror repeats."""
        rng = np.random.default_rng(seed)
        images = torch.from_numpy(rng.random((2, 2, 7, 9, 11)))
        matrix = scaling(rng.uniform(0.3, 2.5, (2, 3))) @ translation(rng.normal(0, 4, (2, 3)))
        matrix = matrix @ rotation(rng.uniform(-180, 180, 2), 3, (1, 2))
        assert layered(matrix)
        whole, fast = (
            warp(images, matrix, padding),
            resample_layers(images, matrix, padding=padding),
        )
        torch.testing.assert_close(fast, whole, atol=1e-9, rtol=0)

    @pytest.mark.parametrize("plane", [(0, 1), (0, 2)])
    def test_a_turn_across_layers_is_not_done_layer_by_layer(self, plane):
        assert not layered(rotation(np.array([0.0, 5.0]), 3, plane))
        assert not layered(np.eye(3)[None])

    def test_composition_equals_one_after_the_other(self):
        """One resampling gives what three give, up to the blur of the other two."""
        images = smooth((64, 64))
        a = rotation(np.array([8.0]), 2, (-2, -1))
        b = scaling(np.array([[0.93, 0.93]]))
        c = translation(np.array([[2.5, -1.5]]))
        once = warp(images, a @ b @ c)
        thrice = warp(warp(warp(images, a), b), c)
        inner = (..., slice(12, -12), slice(12, -12))
        assert (once - thrice)[inner].abs().max() < 0.015
        wrong_order = warp(images, c @ b @ a)
        assert (wrong_order - thrice)[inner].abs().max() > 0.02

    def test_augmenter_composes_in_the_order_of_its_specs(self):
        images = smooth((64, 64), 4)
        specs = ["rotate:degrees=10,p=1", "zoom:low=1.3,high=1.3,p=1", "translate:fraction=0.1,p=1"]
        both = Augmenter(specs)
        draw = both.draw(4, (64, 64), seed=0)
        result, sequential = both.apply(images, draw), images
        for index, text in enumerate(specs):
            single = Augmenter([text])
            alone = single.draw(4, (64, 64), seed=0)  # the same numbers: they go by name
            assert torch.equal(
                next(iter(alone.parts[0].values.values())),
                next(iter(draw.parts[index].values.values())),
            )
            sequential = single.apply(sequential, alone)
        inner = (..., slice(12, -12), slice(12, -12))
        assert (result - sequential)[inner].abs().max() < 0.02

    @pytest.mark.parametrize("shape", [(8, 8), (6, 9), (5, 5, 5), (4, 6, 6), (3, 4, 5)])
    def test_symmetries_move_pixels_as_resampling_would(self, shape):
        images = torch.rand(1, 2, *shape)
        every = symmetries(shape)
        moved = [symmetric(images, which) for which in range(len(every))]
        assert torch.equal(moved[0], images)
        assert len({tuple(m.flatten().tolist()) for m in moved}) == len(every)
        for result in moved:
            assert sorted(result.flatten().tolist()) == sorted(images.flatten().tolist())
        for which, (order, signs) in enumerate(every):
            matrix = np.eye(len(shape) + 1)
            matrix[:-1, :-1] = 0
            for axis in range(len(shape)):
                matrix[order[axis], axis] = signs[axis]
            assert symmetry_of(matrix[None], shape).tolist() == [which]
            torch.testing.assert_close(warp(images, matrix[None]), moved[which])

    def test_a_quarter_turn_of_an_oblong_is_no_symmetry(self):
        assert symmetry_of(rotation(np.array([90.0]), 2, (0, 1)), (8, 9)).tolist() == [-1]
        assert symmetry_of(rotation(np.array([180.0]), 2, (0, 1)), (8, 9)).tolist() != [-1]


class TestDihedral:
    def moves(self, shape=(6, 6)):
        part = augmentations.get("dihedral")()
        return part.matrix({"move": np.arange(8)}, shape)

    def test_there_are_eight_and_each_has_an_inverse_among_them(self):
        matrices = self.moves()
        images = torch.rand(1, 1, 6, 6)
        moved = [symmetric(images, w) for w in symmetry_of(matrices, (6, 6))]
        assert len({tuple(m.flatten().tolist()) for m in moved}) == 8
        for matrix, result in zip(matrices, moved, strict=True):
            back = symmetry_of(np.linalg.inv(matrix)[None], (6, 6))[0]
            assert back >= 0
            assert torch.equal(symmetric(result, back), images)

    def test_all_eight_come_equally_often(self):
        draw = Augmenter(["dihedral"]).draw(8000, (6, 6), seed=0)
        counts = np.bincount(draw.parts[0].values["move"].numpy(), minlength=8)
        assert stats.chisquare(counts).pvalue > 0.001

    def test_no_pixel_is_computed(self):
        images = torch.rand(50, 1, 6, 6)
        augmenter = Augmenter(["dihedral"])
        result = augmenter.apply(images, augmenter.draw(50, (6, 6), seed=0))
        turns = [torch.rot90(m, k, (-2, -1)) for m in (images, images.flip(-1)) for k in range(4)]
        found = torch.stack([(result == t).flatten(1).all(1) for t in turns])
        assert (found.sum(0) == 1).all()
        assert found.any(1).all()

    def test_volumes_keep_the_axis_across_the_plane(self):
        images = torch.rand(20, 1, 3, 6, 6)
        augmenter = Augmenter(["dihedral"], 3)
        result = augmenter.apply(images, augmenter.draw(20, (3, 6, 6), seed=0))
        torch.testing.assert_close(result.mean((3, 4)), images.mean((3, 4)))

    def test_an_oblong_plane_is_refused(self):
        with pytest.raises(ShapeError, match="square plane, got 6 by 9"):
            Augmenter(["dihedral"]).draw(2, (6, 9), seed=0)


class TestFlip:
    @pytest.mark.parametrize("axis", [-1, -2])
    def test_equals_torch_bit_for_bit(self, axis):
        images = torch.rand(40, 3, 7, 9)
        augmenter = Augmenter([f"flip:axes={axis};"])
        draw = augmenter.draw(40, (7, 9), seed=0)
        active = draw.parts[0].active
        result = augmenter.apply(images, draw)
        assert torch.equal(result[active], images[active].flip(axis))
        assert torch.equal(result[~active], images[~active])

    def test_axes_are_independent(self):
        draw = Augmenter(["flip:axes=0;1,p=0.3"]).draw(20000, (8, 8), seed=0)
        part = draw.parts[0]
        mirrored = part.values["mirrored"] & part.active[:, None]
        assert mirrored.double().mean(0).tolist() == pytest.approx([0.3, 0.3], abs=0.015)
        assert mirrored.all(1).double().mean().item() == pytest.approx(0.09, abs=0.01)

    def test_with_other_geometry_it_is_folded_into_the_grid(self):
        images = smooth((32, 32), 8)
        specs = ["flip:p=1", "rotate:p=1"]
        augmenter = Augmenter(specs)
        draw = augmenter.draw(8, (32, 32), seed=0)
        turned = Augmenter(specs[1:])
        expected = turned.apply(images.flip(-1), turned.draw(8, (32, 32), seed=0))
        torch.testing.assert_close(augmenter.apply(images, draw), expected, atol=1e-5, rtol=0)


class TestCrop:
    @given(st.integers(0, 10**6), st.sampled_from([0.2, 0.34, 0.6]), st.sampled_from([0.0, 0.3]))
    @settings(max_examples=30, deadline=None)
    def test_the_central_region_stays_inside(self, seed, keep, beyond):
        shape = (96, 96)
        text = f"crop:low={max(keep, 0.5)},keep_centre={keep},beyond={beyond},p=1"
        draw = Augmenter([text]).draw(64, shape, seed)
        corner = np.array([1.0, 1.0]) * 96 / 2
        ends = [draw.matrix.numpy() @ np.array([*(s * corner), 1.0]) for s in (-1, 1)]
        assert (ends[0][:, :2] <= -keep * 48 + 1e-9).all()
        assert (ends[1][:, :2] >= keep * 48 - 1e-9).all()

    def test_without_it_the_centre_is_lost_at_times(self):
        draw = Augmenter(["crop:low=0.5,high=0.5,p=1"]).draw(200, (96, 96), 0)
        ends = draw.matrix.numpy() @ np.array([48.0, 48.0, 1.0])
        assert (ends[:, :2] < 0.34 * 48).any()

    def test_a_window_inside_shows_no_padding(self):
        images = torch.rand(30, 1, 32, 32) * 0.5 + 0.5
        augmenter = Augmenter(["crop:p=1"], padding="zeros")
        assert augmenter.apply(images, augmenter.draw(30, (32, 32), 0)).min() > 0.45


class TestElastic:
    def test_the_field_has_the_deviation_that_was_asked_for_everywhere(self):
        control = torch.from_numpy(np.random.default_rng(0).normal(size=(4000, 2, 7, 7)))
        deviation = smooth_field(control, (20, 30), sigma=0.8).std(0)
        assert deviation.min() > 0.94
        assert deviation.max() < 1.06

    def test_its_slope_is_the_one_promised(self):
        control = torch.from_numpy(np.random.default_rng(0).normal(size=(2000, 1, 11, 11)))
        field = smooth_field(control, (90, 90), sigma=0.8)  # 9 control points
        slope = (field[..., 41, 40] - field[..., 40, 40]).std().item() * 90 / 8
        assert slope == pytest.approx(1 / (0.8 * 2**0.5), rel=0.1)

    @pytest.mark.parametrize(("dims", "shape"), [(2, (40, 40)), (3, (20, 24, 28))])
    def test_images_follow_the_field(self, dims, shape):
        part = augmentations.get("elastic")()
        augmenter = Augmenter(["elastic:p=1"], dims)
        images = smooth(shape)
        draw = augmenter.draw(1, shape, 0)
        field = part.field(draw.parts[0].values, shape)[0].numpy()
        place = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij")) + field
        expected = ndimage.map_coordinates(images[0, 0].numpy(), place, order=1, mode="reflect")
        np.testing.assert_allclose(augmenter.apply(images, draw)[0, 0], expected, atol=1e-4)

    def test_magnitude_is_a_share_of_the_shortest_side(self):
        part = augmentations.get("elastic")(magnitude=0.05, grid=3)
        augmenter = Augmenter(["elastic:p=1,magnitude=0.05,grid=3"])
        values = augmenter.draw(3000, (20, 60), 0).parts[0].values
        assert part.field(values, (20, 60)).std().item() == pytest.approx(1.0, rel=0.05)

    def test_a_field_that_would_fold_is_refused(self):
        with pytest.raises(ArgumentError, match=r"folds over itself, got 0\.71"):
            Augmenter(["elastic:magnitude=0.2,grid=5"])


class TestIntensity:
    def test_linear_changes_become_one_and_are_cut_off_once(self):
        images = torch.rand(5, 1, 8, 8)
        augmenter = Augmenter(["contrast:p=1", "brightness:low=0.1,high=0.9,p=1"])
        draw = augmenter.draw(5, (8, 8), 0)
        factor = draw.parts[0].values["factor"].float().reshape(-1, 1, 1, 1)
        level = draw.parts[1].values["level"].float().reshape(-1, 1, 1, 1)
        expected = ((images - 0.5) * factor + 0.5 + level - 0.5).clamp(0, 1)
        torch.testing.assert_close(augmenter.apply(images, draw), expected)

    def test_the_order_of_linear_changes_counts(self):
        images = torch.full((1, 1, 2, 2), 0.5)
        specs = ["brightness:low=0.6,high=0.6,p=1", "contrast:low=2,high=2,p=1"]
        for order, expected in ((specs, 0.7), (specs[::-1], 0.6)):
            augmenter = Augmenter(order)
            result = augmenter.apply(images, augmenter.draw(1, (2, 2), 0))
            torch.testing.assert_close(result, torch.full_like(images, expected))

    def test_saturation_leaves_grey_alone_bit_for_bit(self):
        augmenter = Augmenter(["saturation:p=1,low=3,high=3"])
        grey = torch.rand(4, 1, 16, 16)
        draw = augmenter.draw(4, (16, 16), 0)
        assert torch.equal(augmenter.apply(grey, draw), grey)
        three = grey.repeat(1, 3, 1, 1)
        assert torch.equal(augmenter.apply(three, draw), three)

    def test_saturation_keeps_the_grey_and_scales_the_rest(self):
        images = torch.rand(3, 3, 8, 8) * 0.2 + 0.4
        augmenter = Augmenter(["saturation:p=1,low=0.5,high=0.5"])
        result = augmenter.apply(images, augmenter.draw(3, (8, 8), 0))
        luma = torch.tensor([0.299, 0.587, 0.114]).reshape(1, 3, 1, 1)
        grey = (images * luma).sum(1, keepdim=True)
        torch.testing.assert_close(result, grey + 0.5 * (images - grey))

    def test_gamma_is_a_power(self):
        images = torch.rand(3, 1, 8, 8)
        augmenter = Augmenter(["gamma:p=1"])
        draw = augmenter.draw(3, (8, 8), 0)
        power = draw.parts[0].values["power"].float().reshape(-1, 1, 1, 1)
        torch.testing.assert_close(augmenter.apply(images, draw), images**power)

    @pytest.mark.parametrize("shape", [(20, 15), (8, 9, 10)])
    def test_blur_is_the_gaussian_of_scipy(self, shape):
        images = torch.rand(2, 2, *shape)
        augmenter = Augmenter(["blur:p=1,low=1,high=1"], len(shape))
        result = augmenter.apply(images, augmenter.draw(2, shape, 0))
        expected = ndimage.gaussian_filter(
            images.double().numpy(), (0, 0, *[1.0] * len(shape)), mode="reflect", truncate=8
        )
        np.testing.assert_allclose(result, expected, atol=1e-5)

    def test_noise_has_the_deviation_that_was_drawn(self):
        images = torch.full((4, 1, 128, 128), 0.5)
        augmenter = Augmenter(["noise:p=1,low=0.02,high=0.1"])
        draw = augmenter.draw(4, (128, 128), 0)
        difference = augmenter.apply(images, draw) - images
        expected = draw.parts[0].values["deviation"]
        np.testing.assert_allclose(difference.flatten(1).std(1), expected, rtol=0.03)
        assert difference.mean().abs() < 0.002

    @pytest.mark.parametrize("colour", [False, True])
    def test_noise_is_grey_unless_asked_for(self, colour):
        augmenter = Augmenter([f"noise:p=1,colour={str(colour).lower()}"])
        grey = torch.full((2, 3, 16, 16), 0.5)
        result = augmenter.apply(grey, augmenter.draw(2, (16, 16), 0))
        assert torch.equal(result[:, 0], result[:, 1]) is not colour

    def test_cutout_paints_boxes_of_the_drawn_size(self):
        images = torch.ones(200, 1, 50, 50)
        augmenter = Augmenter(["cutout:p=1,low=0.2,high=0.2,fill=0.25"])
        draw = augmenter.draw(200, (50, 50), 0)
        result = augmenter.apply(images, draw)
        assert set(result.unique().tolist()) == {0.25, 1.0}
        centre = draw.parts[0].values["centre"][:, 0]
        inside = ((centre > 0.11) & (centre < 0.89)).all(1)
        assert (result[inside] < 1).sum((1, 2, 3)).tolist() == [100] * int(inside.sum())

    def test_mixing_follows_the_weights_and_partners_of_the_draw(self):
        images, targets = torch.rand(6, 1, 4, 4), torch.eye(6)
        augmenter = Augmenter(["mixup"])
        draw = augmenter.draw(6, (4, 4), 0)
        result, mixed = augmenter.apply(images, draw), draw.mix(targets)
        assert sorted(draw.partner.tolist()) == list(range(6))
        for i, (j, w) in enumerate(zip(draw.partner.tolist(), draw.weight.tolist(), strict=True)):
            assert i != j
            assert w >= 0.5
            torch.testing.assert_close(result[i], w * images[i] + (1 - w) * images[j])
            torch.testing.assert_close(mixed[i], w * targets[i] + (1 - w) * targets[j])

    def test_mixing_weights_follow_the_larger_of_a_beta(self):
        weight = Augmenter(["mixup:alpha=0.4"]).draw(4000, (4, 4), 0).weight
        sample = np.random.default_rng(0).beta(0.4, 0.4, 4000)
        assert stats.ks_2samp(weight, np.maximum(sample, 1 - sample)).pvalue > 0.001

    def test_a_missing_label_stays_missing_only_where_it_is_used(self):
        draw = Augmenter(["mixup:p=0.5"]).draw(6, (4, 4), 1)
        targets = torch.full((6, 1), torch.nan)
        targets[draw.weight == 1] = 1.0
        assert draw.mix(targets)[draw.weight == 1].tolist() == [[1.0]] * int(
            (draw.weight == 1).sum()
        )


class TestAugmenter:
    def test_the_numbers_of_a_stream_are_uniform_and_independent(self):
        unit = Stream(5, np.arange(3000)).unit(4)
        assert stats.kstest(unit.ravel(), "uniform").pvalue > 0.001
        assert np.abs(np.corrcoef(unit.T) - np.eye(4)).max() < 0.07
        assert np.abs(np.corrcoef(unit[:-1, 0], unit[1:, 0])[0, 1]) < 0.07

    def test_normal_numbers_are_normal(self):
        assert stats.kstest(Stream(5, np.arange(3000)).normal(3).ravel(), "norm").pvalue > 0.001

    def test_two_of_one_name_draw_apart(self):
        draw = Augmenter(["rotate:p=1,plane=0;1", "rotate:p=1,plane=1;2"], 3).draw(3, (4, 4, 4), 0)
        first, second = (part.values["degrees"] for part in draw.parts)
        assert not torch.equal(first, second)

    def test_adding_one_leaves_the_draws_of_the_others(self):
        few = Augmenter(["rotate", "contrast"]).draw(5, (8, 8), 3)
        many = Augmenter(["gamma", "rotate", "flip", "contrast"]).draw(5, (8, 8), 3)
        of_few = {part.name: part.values for part in few.parts}
        of_many = {part.name: part.values for part in many.parts}
        assert torch.equal(of_few["rotate"]["degrees"], of_many["rotate"]["degrees"])

    def test_float64_and_float16_are_computed_as_themselves(self):
        augmenter = Augmenter(["rotate:p=1", "contrast:p=1"])
        images = torch.rand(3, 1, 16, 16, dtype=torch.float64)
        draw = augmenter.draw(3, (16, 16), 0)
        double = augmenter.apply(images, draw)
        assert double.dtype == torch.float64
        torch.testing.assert_close(
            augmenter.apply(images.half(), draw).double(), double, atol=2e-3, rtol=0
        )

    @pytest.mark.parametrize("specs", [["none"], ["flip"], ["films", "noise"]])
    def test_the_layout_in_memory_stays_and_changes_no_value(self, specs):
        images = torch.rand(4, 3, 9, 9)
        last = images.to(memory_format=torch.channels_last)
        augmenter = Augmenter(specs)
        draw = augmenter.draw(4, (9, 9), 0)
        result = augmenter.apply(last, draw)
        assert result.is_contiguous(memory_format=torch.channels_last)
        assert torch.equal(result, augmenter.apply(images, draw))

    def test_an_empty_list_returns_the_images(self):
        images = torch.rand(2, 1, 4, 4)
        augmenter = Augmenter(["none"])
        assert augmenter.specs == ()
        assert torch.equal(augmenter.apply(images, augmenter.draw(2, (4, 4), 0)), images)

    @pytest.mark.parametrize("preset", PRESETS)
    def test_presets_stand_for_specs(self, preset):
        assert Augmenter([preset]).specs == Augmenter(expand([preset])).specs

    @pytest.mark.parametrize("preset", ["films", "strong"])
    def test_films_are_not_mirrored(self, preset):
        assert not any(spec.startswith(("flip", "dihedral")) for spec in expand([preset]))

    @pytest.mark.parametrize("padding", ["reflection", "border", "zeros"])
    def test_padding_is_what_lies_beyond_the_border(self, padding):
        images = torch.tensor([0.2, 0.4, 0.6, 0.8]).repeat(1, 1, 4, 1)
        grid = sampling_grid(
            translation(np.array([[0.0, 2.0]])), (4, 4), None, dtype=torch.float32, device=CPU
        )
        row = resample(images, grid, interpolation="linear", padding=padding)[0, 0, 0]
        beyond = {"reflection": [0.8, 0.6], "border": [0.8, 0.8], "zeros": [0.0, 0.0]}[padding]
        assert row.tolist() == pytest.approx([0.6, 0.8, *beyond])


class TestWrongInput:
    @pytest.mark.parametrize(
        ("specs", "message"),
        [
            (["zoom:low=1.2,high=1.1"], "low must be at most high"),
            (["crop:low=0.5,keep_centre=0.6"], "keep_centre must be at most low"),
            (["rotate:degrees=200"], "degrees: input should be less than or equal to 180"),
            (["rotate:angle=20"], "no option is called 'angle'. Known: p, degrees, plane"),
            (["flip:axes=0;0"], "must be different"),
            (["flip:axes=2;"], r"in \[-2, 1\] for images with 2 spatial axes, got \(2,\)"),
            (["rotate:plane=1;1"], "must be different"),
            (["mixup", "mixup"], "at most one augmentation may mix"),
        ],
    )
    def test_wrong_options_are_named(self, specs, message):
        with pytest.raises(ArgumentError, match=message):
            Augmenter(specs)

    def test_an_unknown_name_is_answered_with_the_nearest(self):
        with pytest.raises(UnknownNameError, match="Did you mean 'rotate'"):
            Augmenter(["rotat"])

    @pytest.mark.parametrize("options", [{"dims": 4}, {"padding": "wrap"}, {"interpolation": "x"}])
    def test_wrong_arguments_of_the_augmenter(self, options):
        with pytest.raises(ArgumentError, match=next(iter(options))):
            Augmenter(["flip"], **options)

    def test_a_shape_with_other_axes(self):
        with pytest.raises(ShapeError, match="2 spatial axes, got"):
            Augmenter(["flip"]).draw(2, (4, 4, 4), 0)

    def test_a_batch_that_the_draw_was_not_made_for(self):
        augmenter = Augmenter(["flip"])
        draw = augmenter.draw(2, (4, 4), 0)
        for wrong in (torch.rand(3, 1, 4, 4), torch.rand(2, 1, 4, 5), torch.rand(2, 4, 4)):
            with pytest.raises(ShapeError, match=r"must have shape \(2, C, 4, 4\)"):
                augmenter.apply(wrong, draw)
        with pytest.raises(ShapeError, match="masks must have shape"):
            augmenter.apply(torch.rand(2, 1, 4, 4), draw, torch.zeros(1, 1, 4, 4))

    def test_whole_numbers_are_no_images(self):
        augmenter = Augmenter(["flip"])
        with pytest.raises(ShapeError, match=r"floats in \[0, 1\], got torch\.uint8"):
            augmenter.apply(
                torch.zeros(1, 1, 4, 4, dtype=torch.uint8), augmenter.draw(1, (4, 4), 0)
            )

    def test_samples_of_another_count(self):
        with pytest.raises(ShapeError, match=r"samples must have shape \(2,\)"):
            Augmenter(["flip"]).draw(2, (4, 4), 0, samples=[1, 2, 3])
