"""What every distortion promises, in 2-D and 3-D. A new one is tested here without being named."""

import json

import pytest
import torch

from medgraft.errors import ArgumentError, ShapeError
from medgraft.pretext.distorter import Distorter, Stage
from medgraft.pretext.distortions import distortions
from medgraft.spec import build, write

SHAPES = {2: (40, 36), 3: (20, 24, 16)}
COUNT = 4


def batch(dims, channels=2, dtype=torch.float32, count=COUNT):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(count, channels, *SHAPES[dims], generator=generator).to(dtype)


def always(name, dims):
    return Distorter([Stage((name,))], dims)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("name", distortions.names())
class TestEveryDistortion:
    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
    def test_keeps_shape_type_and_range_and_changes_something(self, name, dims, dtype):
        images = batch(dims, dtype=dtype)
        distorter = always(name, dims)
        changed, targets = distorter.apply(images, distorter.draw(COUNT, SHAPES[dims], seed=1))
        assert changed.shape == images.shape
        assert changed.dtype == targets.dtype == dtype
        assert changed.min() >= 0
        assert changed.max() <= 1
        assert not torch.equal(changed, images)

    def test_never_writes_to_its_input_and_never_shares_its_memory(self, name, dims):
        images = batch(dims)
        before = images.clone()
        distorter = always(name, dims)
        changed, targets = distorter.apply(images, distorter.draw(COUNT, SHAPES[dims], seed=1))
        assert torch.equal(targets, before)
        changed.fill_(0.5)
        assert torch.equal(images, before)

    def test_a_sample_does_not_depend_on_its_batch(self, name, dims):
        images, rows = batch(dims), [3, 1]
        distorter = always(name, dims)
        whole, _ = distorter.apply(images, distorter.draw(COUNT, SHAPES[dims], seed=7))
        draw = distorter.draw(2, SHAPES[dims], seed=7, samples=rows)
        assert torch.equal(distorter.apply(images[rows], draw)[0], whole[rows])

    def test_same_seed_same_voxels_and_other_seed_others(self, name, dims):
        images, distorter = batch(dims), always(name, dims)
        one, again, other = (
            distorter.apply(images, distorter.draw(COUNT, SHAPES[dims], seed=seed))[0]
            for seed in (3, 3, 4)
        )
        assert torch.equal(one, again)
        assert name == "hole" or not torch.equal(one, other)

    def test_treats_channels_alike(self, name, dims):
        grey = batch(dims, channels=1).expand(-1, 3, *SHAPES[dims])
        distorter = always(name, dims)
        changed, _ = distorter.apply(grey, distorter.draw(COUNT, SHAPES[dims], seed=1))
        assert torch.equal(changed[:, 0], changed[:, 1])
        assert torch.equal(changed[:, 0], changed[:, 2])

    def test_hides_what_it_says_it_hides_and_nothing_else(self, name, dims):
        """What is hidden does not depend on the image; the rest does, voxel by voxel."""
        images, distorter = batch(dims), always(name, dims)
        draw = distorter.draw(COUNT, SHAPES[dims], seed=2)
        hidden = distorter.hidden(draw).expand_as(images)
        changed, _ = distorter.apply(images, draw)
        if hidden.any():
            assert torch.equal(changed[~hidden], images[~hidden])
            assert torch.equal(changed[hidden], distorter.apply(1 - images, draw)[0][hidden])

    def test_its_record_is_json(self, name, dims):
        draw = always(name, dims).draw(COUNT, SHAPES[dims], seed=1)
        assert json.loads(json.dumps(draw.to_json(), allow_nan=False))["seed"] == 1
        assert draw.caption(0) == name

    def test_survives_being_written_and_read(self, name, dims):
        part = build(distortions, name)
        assert build(distortions, write(name, part)) == part


@pytest.mark.parametrize("name", ["inpaint", "outpaint:as_published=true", "patch_shuffle", "mask"])
def test_images_too_small_are_refused(name):
    with pytest.raises(ShapeError, match="prepare larger images"):
        always(name, 2).draw(1, (5, 5), seed=0)


def test_wrong_batches_are_refused():
    distorter = always("hole", 2)
    draw = distorter.draw(2, (8, 8), seed=0)
    with pytest.raises(ShapeError, match=r"must have shape \(2, C, 8, 8\)"):
        distorter.apply(torch.rand(2, 1, 8, 9), draw)
    with pytest.raises(ShapeError, match="must be floats"):
        distorter.apply(torch.zeros(2, 1, 8, 8, dtype=torch.uint8), draw)
    with pytest.raises(ShapeError, match="must have 2 spatial axes"):
        distorter.draw(1, (8, 8, 8), seed=0)
    with pytest.raises(ShapeError, match=r"samples must have shape \(1,\)"):
        distorter.draw(1, (8, 8), seed=0, samples=[1, 2])


def test_stages_that_make_no_sense_are_refused():
    with pytest.raises(ArgumentError, match=r"p must be in \[0, 1\], got 1.5"):
        Stage(("hole",), p=1.5)
    with pytest.raises(ArgumentError, match="must be 2 numbers"):
        Stage(("hole", "noise"), weights=(1.0,))
    with pytest.raises(ArgumentError, match="at least one distortion"):
        Stage(())
    with pytest.raises(ArgumentError, match="dims must be 2 or 3"):
        Distorter([], 4)
    with pytest.raises(ArgumentError, match="low must be at most high"):
        always("noise:low=0.5,high=0.1", 2)
