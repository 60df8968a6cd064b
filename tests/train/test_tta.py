"""What every set of views promises, and each against its description."""

import numpy as np
import pytest
import torch
from PIL import Image

from medgraft.errors import ArgumentError, UnknownNameError
from medgraft.spec import build, write
from medgraft.train.setup import check_choices
from medgraft.train.tta import canonical_views, find_views, seen, views
from tests.train.conftest import quick

ALL = views.names()


def looks(text, shape=(8, 8)):
    return find_views(text).of(shape)


def pictures(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).random(shape, dtype=np.float32))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("shape", [(8, 8), (8, 12), (7, 5)])
class TestEverySetOfViews:
    def test_its_weights_sum_to_one(self, name, shape):
        assert sum(view.weight for view in looks(name, shape)) == pytest.approx(1, abs=1e-12)

    def test_it_begins_with_the_image_as_it_is(self, name, shape):
        images = pictures(2, 3, *shape)
        assert torch.equal(seen(images, looks(name, shape)[0].matrix), images)

    def test_views_are_distinct_and_of_the_same_shape(self, name, shape):
        images = pictures(2, 1, *shape)
        found = [seen(images, view.matrix) for view in looks(name, shape)]
        assert all(one.shape == images.shape for one in found)
        for place, one in enumerate(found):
            assert not any(torch.equal(one, other) for other in found[:place])

    def test_without_flips_nothing_is_mirrored(self, name, shape):
        plain, every = looks(f"{name}:flip=false", shape), looks(name, shape)
        assert all(np.linalg.det(view.matrix) > 0 for view in plain)
        assert any(np.linalg.det(view.matrix) < 0 for view in every)
        assert len(plain) < len(every)

    def test_an_even_image_looks_even_from_everywhere(self, name, shape):
        even = torch.full((1, 1, *shape), 0.37)
        for view in looks(name, shape):
            torch.testing.assert_close(seen(even, view.matrix), even)

    def test_its_spec_comes_back(self, name, shape):
        found = find_views(name)
        assert build(views, write(name, found)) == found
        assert canonical_views(canonical_views(name)) == canonical_views(name)

    def test_a_view_does_not_depend_on_the_batch(self, name, shape):
        images = pictures(3, 1, *shape)
        for view in looks(name, shape):
            torch.testing.assert_close(
                seen(images, view.matrix)[1:2], seen(images[1:2], view.matrix)
            )


def read_between(image, row, column):
    """Linear interpolation at one place, by its definition; the border goes on outside."""
    row = min(max(row, 0.0), image.shape[0] - 1.0)
    column = min(max(column, 0.0), image.shape[1] - 1.0)
    top, left = int(row), int(column)
    low, right = min(top + 1, image.shape[0] - 1), min(left + 1, image.shape[1] - 1)
    r, c = row - top, column - left
    above = (1 - c) * image[top, left] + c * image[top, right]
    below = (1 - c) * image[low, left] + c * image[low, right]
    return (1 - r) * above + r * below


@pytest.mark.parametrize("scale", [1.35, 2.0])
def test_corners_are_those_of_fastai(scale):
    """Each zoom shows 1 / scale of each side, with one corner of the image in its own corner."""
    shape = (10, 14)
    image = pictures(*shape).numpy()
    found = looks(f"corners:scale={scale}", shape)
    assert [view.weight for view in found] == pytest.approx([0.4, *[0.6 / 8] * 8])
    ends = [(r, c) for r in (0, 1) for c in (0, 1)]
    for number, view in enumerate(found[1:]):
        lower, right = ends[number % 4]
        slow = np.zeros(shape)
        for row in range(shape[0]):
            for column in range(shape[1]):
                # edges of pixels are at whole numbers, centres at halves
                y = (row + 0.5) / scale + lower * shape[0] * (1 - 1 / scale)
                x = (column + 0.5) / scale + right * shape[1] * (1 - 1 / scale)
                slow[row, column] = read_between(image, y - 0.5, x - 0.5)
        slow = slow[:, ::-1] if number >= 4 else slow
        fast = seen(torch.from_numpy(image)[None, None], view.matrix)[0, 0].numpy()
        np.testing.assert_allclose(fast, slow, atol=1e-5)


def test_dihedral_views_are_those_of_pillow():
    image = (pictures(8, 8).numpy() * 255).astype(np.uint8)
    told = [np.asarray(Image.fromarray(image))]
    told += [np.asarray(Image.fromarray(image).transpose(way)) for way in Image.Transpose]
    found = [
        seen(torch.from_numpy(image)[None, None].float(), view.matrix)[0, 0].numpy()
        for view in looks("dihedral")
    ]
    assert len(found) == 8
    assert {one.astype(np.uint8).tobytes() for one in found} == {one.tobytes() for one in told}


def test_views_that_do_not_exist_are_refused_before_images_are_prepared():
    with pytest.raises(UnknownNameError, match="Did you mean 'corners'"):
        check_choices(quick(tta="corner"))
    with pytest.raises(ArgumentError, match="scale"):
        check_choices(quick(tta="corners:scale=0.5"))
    assert find_views(None) is None
    assert find_views("none") is None


def test_volumes_are_refused():
    with pytest.raises(ArgumentError, match="2 spatial axes, got 3, for --tta 'corners'"):
        find_views("corners", dims=3)
