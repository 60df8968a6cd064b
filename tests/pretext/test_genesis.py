"""The two compositions, their rates, and painting and curves against independent counts."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from medgraft.augment.streams import Stream
from medgraft.pretext.distorter import Distorter, Stage
from medgraft.pretext.distortions.nonlinear import Nonlinear
from medgraft.pretext.genesis import models_genesis, semantic_genesis
from tests.slow_twins import genesis as slow

CUBE = (64, 64, 32)
MANY = 20_000


def rate(active, expected):
    spread = 4.5 * (expected * (1 - expected) / len(active)) ** 0.5
    return abs(active.double().mean().item() - expected) < spread


def hidden_share(spec, shape, count=200):
    distorter = Distorter([Stage((spec,))], len(shape))
    shares = [
        distorter.hidden(distorter.draw(1, shape, seed=0, samples=[i])).double().mean().item()
        for i in range(count)
    ]
    return np.array(shares)


class TestModelsGenesis:
    def test_happens_at_the_rates_of_the_paper(self):
        draw = models_genesis(2).draw(MANY, (64, 64), seed=0)
        shuffled, mapped, outside, inside = (part.active for part in draw.parts)
        assert not (outside & inside).any()
        assert rate(shuffled, 0.5)
        assert rate(mapped, 0.9)
        assert rate(outside, 0.72)
        assert rate(inside, 0.18)
        assert rate(~(shuffled | mapped | outside | inside), 0.005)
        combinations = torch.stack([shuffled, mapped, outside, inside], 1).unique(dim=0)
        assert len(combinations) == 12

    @pytest.mark.parametrize("dims", [2, 3])
    def test_all_axes_flip_equally_often(self, dims):
        mirrored = models_genesis(dims).draw(MANY, (32,) * dims, seed=0).mirrored
        # up to three, each .4 after the last; an odd number must fall on the axis
        chances, p = [0.6, 0.24, 0.096, 0.064], 1 / dims
        odd = sum(c * (1 - (1 - 2 * p) ** n) / 2 for n, c in enumerate(chances))
        for axis in range(dims):
            assert rate(mirrored[:, axis], odd)

    def test_published_flips_never_mirror_the_last_axis(self):
        mirrored = models_genesis(3, as_published=True).draw(MANY, CUBE, seed=0).mirrored
        assert mirrored.any(0).tolist() == [True, True, False]

    def test_the_target_is_the_mirrored_source(self):
        images = torch.rand(16, 1, 20, 20, 20)
        distorter = models_genesis(3)
        draw = distorter.draw(16, (20, 20, 20), seed=0)
        before = images.clone()
        _, targets = distorter.apply(images, draw)
        assert draw.mirrored.any()
        for image, target, axes in zip(images, targets, draw.mirrored, strict=True):
            assert torch.equal(target, image.flip((axes.nonzero()[:, 0] + 1).tolist()))
        assert torch.equal(images, before)

    @pytest.mark.parametrize("published", [False, True])
    def test_a_sample_does_not_depend_on_batch_or_worker(self, published):
        images = torch.rand(6, 1, 40, 40)
        distorter = models_genesis(2, as_published=published)
        whole = distorter.apply(images, distorter.draw(6, (40, 40), seed=9))[0]
        for worker in range(3):
            rows = [worker, worker + 3]
            draw = distorter.draw(2, (40, 40), seed=9, samples=rows)
            assert torch.equal(distorter.apply(images[rows], draw)[0], whole[rows])


class TestSemanticGenesis:
    def test_always_bends_and_then_does_exactly_one_of_four(self):
        draw = semantic_genesis(2).draw(4000, (32, 32), seed=0)
        bent, *others = (part.active for part in draw.parts)
        assert bent.all()
        assert (torch.stack(others).sum(0) == 1).all()
        assert all(rate(other, 0.25) for other in others)
        assert not draw.mirrored.any()

    def test_published_shuffling_moves_less_than_a_voxel_in_a_thousand(self):
        image = torch.rand(1, 1, *CUBE)
        spec = semantic_genesis(3, as_published=True).specs[1]
        distorter = Distorter([Stage((spec,))], 3)
        changed = distorter.apply(image, distorter.draw(1, CUBE, seed=0))[0]
        assert (changed != image).double().mean() < 0.001

    def test_one_published_window_shows_at_most_a_fifth(self):
        spec = semantic_genesis(3, as_published=True).specs[4]
        assert hidden_share(spec, CUBE, 50).min() >= 0.8

    def test_bends_by_as_much_as_was_measured(self):
        """Ramps say how far each voxel moved: standard deviation 3.7 voxels, in the plane only."""
        axes = torch.meshgrid(*(torch.arange(s) / s for s in CUBE), indexing="ij")
        ramps = torch.stack(axes)[None].expand(4, 3, *CUBE)
        distorter = Distorter([Stage(("elastic",))], 3)
        changed = distorter.apply(ramps, distorter.draw(4, CUBE, seed=0))[0]
        moved = (changed - ramps) * torch.tensor(CUBE).reshape(1, 3, 1, 1, 1)
        inner = moved[:, :, 16:48, 16:48]
        assert inner[:, :2].std().item() == pytest.approx(3.7, rel=0.2)
        assert moved[:, 2].abs().max() < 1e-3


class TestPainting:
    def test_inpainting_hides_at_most_a_sixth_of_a_cube_and_no_border(self):
        for spec in ("inpaint", "inpaint:as_published=true"):
            shares = hidden_share(spec, CUBE)
            assert shares.max() <= 5 * (21 * 21 * 10) / 131_072
            assert shares.mean() == pytest.approx(0.055, abs=0.008)
        distorter = Distorter([Stage(("inpaint",))], 3)
        hidden = distorter.hidden(distorter.draw(100, CUBE, seed=0))[:, 0]
        for axis in (1, 2, 3):
            assert not hidden.narrow(axis, 0, 3).any()
            assert not hidden.narrow(axis, hidden.shape[axis] - 3, 3).any()

    def test_published_outpainting_hides_what_was_measured(self):
        shares = hidden_share("outpaint:as_published=true", CUBE)
        assert shares.min() >= 1 - 58 * 58 * 26 / 131_072
        assert shares.mean() == pytest.approx(0.68, abs=0.02)

    @pytest.mark.parametrize("shape", [CUBE, (224, 224), (20, 17)])
    @pytest.mark.parametrize("name", ["inpaint", "outpaint"])
    def test_at_most_a_quarter_is_hidden(self, name, shape):
        shares = hidden_share(name, shape)
        assert 0.02 < shares.mean() < 0.25
        assert shares.max() <= 0.25

    @pytest.mark.parametrize("published", [False, True])
    @pytest.mark.parametrize("name", ["inpaint", "outpaint"])
    @pytest.mark.parametrize("shape", [(48, 40, 32), (96, 80)])
    def test_hides_as_much_as_the_slow_twin(self, name, shape, published):
        rng, image = np.random.default_rng(0), np.full((1, *shape), 2.0)
        paint = getattr(slow, name)
        twin = [(paint(image, rng, published) != 2).mean() for _ in range(200)]
        shares = hidden_share(f"{name}:as_published={str(published).lower()}", shape)
        error = np.hypot(np.std(twin), np.std(shares)) / 200**0.5
        assert abs(np.mean(twin) - shares.mean()) < 4.5 * error

    def test_noise_is_uniform_and_differs_between_samples(self):
        image = torch.zeros(2, 1, *CUBE)
        distorter = Distorter([Stage(("outpaint:as_published=true",))], 3)
        draw = distorter.draw(2, CUBE, seed=0)
        changed = distorter.apply(image, draw)[0]
        both = distorter.hidden(draw).all(0, keepdim=True).expand(2, 1, *CUBE)
        one, other = (changed[i, 0][both[i, 0]] for i in range(2))
        assert one.mean().item() == pytest.approx(0.5, abs=0.01)
        assert one.std().item() == pytest.approx(12**-0.5, abs=0.01)
        assert abs(np.corrcoef(one, other)[0, 1]) < 0.02


class TestCurves:
    @settings(deadline=None, max_examples=15)
    @given(st.integers(0, 10**6))
    def test_are_monotone_and_join_the_corners(self, seed):
        part = Nonlinear()
        values = part.draw(Stream(seed, np.arange(8)), (4, 4))
        tensors = {key: torch.from_numpy(value) for key, value in values.items()}
        table = part.table(tensors)
        rising = torch.where(tensors["falls"][:, None], table.flip(1), table)
        torch.testing.assert_close(rising[:, 0], torch.zeros(8).double(), atol=1e-9, rtol=0)
        torch.testing.assert_close(rising[:, -1], torch.ones(8).double(), atol=1e-9, rtol=0)
        assert (rising.diff(dim=1) >= -1e-12).all()
        assert set(tensors["falls"].tolist()) <= {True, False}

    @settings(deadline=None, max_examples=15)
    @given(st.integers(0, 10**6), st.booleans())
    def test_equal_the_lookup_of_the_slow_twin(self, seed, falls):
        rng = np.random.default_rng(seed)
        inner = rng.random((2, 2))  # rows are points
        x, y = slow.intensity_curve(np.array([[0, 0], *inner, [1, 1]]), falls)
        image = rng.random((1, 1, 40, 40))
        values = {"control": torch.from_numpy(inner.T.copy())[None], "falls": torch.tensor([falls])}
        found = Nonlinear().change(torch.from_numpy(image), values).numpy()
        expected = np.interp(image, x, y)
        steep = np.interp(image + 0.001, x, y) - np.interp(image - 0.001, x, y)
        assert (np.abs(found - expected) <= 1e-4 + np.abs(steep)).all()
        assert np.abs(found - expected).mean() < 1e-4

    def test_control_points_in_the_corners_are_the_identity(self):
        image = torch.rand(1, 2, 30, 30)
        values = {
            "control": torch.tensor([[[0.0, 1.0], [0.0, 1.0]]]),
            "falls": torch.tensor([False]),
        }
        torch.testing.assert_close(Nonlinear().change(image, values), image, atol=2e-6, rtol=0)

    def test_equal_values_stay_equal(self):
        image = torch.tensor([0.1, 0.7, 0.1, 1.0, 0.0, 0.7]).reshape(1, 1, 2, 3)
        distorter = Distorter([Stage(("nonlinear",))], 2)
        changed = distorter.apply(image, distorter.draw(1, (2, 3), seed=0))[0].flatten()
        assert changed[0] == changed[2]
        assert changed[1] == changed[5]

    def test_half_of_them_fall(self):
        falls = Nonlinear().draw(Stream(1, np.arange(MANY)), (4, 4))["falls"]
        assert rate(torch.from_numpy(falls), 0.5)
